import { describe, expect, it } from 'vitest'
import { chatRequest } from '#sdk/contracts/openai-chat.ts'

const user = { role: 'user', content: 'hi' }

function complaints(body: unknown): string[] {
  return chatRequest.safeParse(body).error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []
}

const withMessage = (message: unknown) => ({ model: 'm', messages: [message] })

describe('a chat completion request', () => {
  it('may hold everything that clients send', () => {
    const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }
    const body = {
      model: 'provider/model',
      messages: [
        { role: 'developer', content: [{ type: 'text', text: 'be brief' }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is it?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
          ],
        },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', content: '2', tool_call_id: 'c1' },
      ],
      tools: [{ type: 'function', function: { name: 'add', parameters: { type: 'object' } } }],
      tool_choice: { type: 'function', function: { name: 'add' } },
      response_format: { type: 'json_schema', json_schema: { name: 'sum', schema: { type: 'object' } } },
      stream: true,
      stream_options: { include_usage: true },
      stop: ['END'],
      n: 1,
      seed: 4,
      temperature: 0,
      max_completion_tokens: 5,
    }
    expect(chatRequest.parse(body)).toEqual(body)
  })

  it('ignores what it does not know, and takes null for absent', () => {
    const nothing = { stop: null, tools: null, stream: null, response_format: null, max_tokens: null, user: null }
    expect(
      chatRequest.parse({ ...withMessage(user), ...nothing, logit_bias: {}, messages: [{ ...user, x: 1 }] }),
    ).toEqual({
      ...withMessage(user),
      ...nothing,
    })
  })

  it.each([
    [{}, ['model is required', 'messages is required']],
    [{ model: 'm', messages: [] }, ['messages must not be empty']],
    [
      withMessage({ role: 'robot', content: 'a' }),
      ['messages.0.role must be one of system, developer, user, assistant, tool'],
    ],
    [withMessage({ role: 'user' }), ['messages.0.content is required']],
    [withMessage({ role: 'user', content: 5 }), ['messages.0.content must be a text or a list of parts']],
    [
      withMessage({ role: 'user', content: [{ type: 'input_audio' }] }),
      ["messages.0.content has a part that is not right: 0.type must be 'text' or 'image_url'"],
    ],
    [
      withMessage({ role: 'system', content: [{ type: 'image_url', image_url: { url: 'https://x' } }] }),
      ["messages.0.content has a part that is not right: 0.type must be 'text'"],
    ],
    [
      withMessage({ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] }),
      ['messages.0.content.0.image_url.url must be an https: URL or a data:image/… URL'],
    ],
    [withMessage({ role: 'tool', content: 'x' }), ['messages.0.tool_call_id is required']],
    [{ ...withMessage(user), n: 2 }, ['n must be 1: only one choice is supported']],
    [{ ...withMessage(user), temperature: 3 }, ['temperature must be between 0 and 2']],
    [{ ...withMessage(user), max_tokens: 0 }, ['max_tokens must be a positive integer']],
    [{ ...withMessage(user), stop: 5 }, ['stop must be a text or a list of texts']],
  ])('is refused in plain words: %j', (body, expected) => {
    expect(complaints(body)).toEqual(expected)
  })
})
