import { expect, test } from 'vitest'
import { readLocomo } from '../bench/retrieval/locomo.ts'
import { makeConversations } from '../bench/retrieval/made-conversations.ts'
import { qualityOf } from '../bench/retrieval/metrics.ts'

const said = {
  sample_id: 'conv-1',
  conversation: {
    speaker_a: 'Ada',
    speaker_b: 'Ben',
    session_2: [{ speaker: 'Ben', dia_id: 'D2:1', text: 'Look!', blip_caption: 'a photo of a boat' }],
    session_2_date_time: '10:37 am on 27 June, 2023',
    session_1: [{ speaker: 'Ada', dia_id: 'D1:1', text: 'Hello' }],
    session_1_date_time: '1:56 pm on 8 May, 2023',
  },
  qa: [
    { question: 'One?', answer: 1, evidence: ['D1:1; D2:1'], category: 1 },
    { question: 'Two?', answer: '2', evidence: ['D1:1', 'D:9:1', 'D9:9'], category: 4 },
    { question: 'Malformed?', evidence: ['D'], category: 2 },
    { question: 'Adversarial?', evidence: ['D1:1'], category: 5 },
    { question: 'Nothing?', evidence: [], category: 3 },
  ],
}

test('LoCoMo’s form is read: sessions in order, captions, evidence of several lines, and none that names no line', () => {
  expect(readLocomo([said])).toEqual([
    {
      id: 'conv-1',
      lines: [
        { id: 'D1:1', session: 'session_1', speaker: 'Ada', text: 'Hello', at: '2023-05-08T13:56:00.000Z' },
        {
          id: 'D2:1',
          session: 'session_2',
          speaker: 'Ben',
          text: 'Look! [a photo of a boat]',
          at: '2023-06-27T10:37:00.000Z',
        },
      ],
      questions: [
        { text: 'One?', evidence: ['D1:1', 'D2:1'], kind: 'multi-hop' },
        { text: 'Two?', evidence: ['D1:1'], kind: 'single-hop' },
      ],
    },
  ])
})

test('made conversations are the same for the same seed, and each question has its evidence', () => {
  const made = makeConversations(7, 2)
  expect(makeConversations(7, 2)).toEqual(made)
  expect(makeConversations(8, 2)).not.toEqual(made)
  const conversations = readLocomo(made)
  expect(conversations.map(({ questions }) => questions.length)).toEqual(made.map(({ qa }) => qa.length))
  const kinds = new Set(conversations.flatMap(({ questions }) => questions.map(({ kind }) => kind)))
  expect(kinds).toEqual(new Set(['multi-hop', 'temporal', 'single-hop']))
  for (const { questions } of conversations) for (const { text } of questions) expect(text).not.toMatch(/[{}]/)
})

test('recall is of evidence, and the first one found makes the reciprocal rank', () => {
  const question = { text: '', evidence: ['a', 'b'], kind: '' }
  const quality = qualityOf([
    { question, found: ['x', 'a', 'y', 'z', 'w', 'v', 'b'] },
    { question, found: ['x'] },
  ])
  expect(quality).toEqual({ recall5: 0.25, recall10: 0.5, mrr: 0.25, questions: 2 })
})
