import type { z } from 'zod'
import type { provider } from './sections/providers.ts'

type Preset = Partial<z.input<typeof provider>> & { url: string }

const local = {
  format: 'openai',
  chat_path: '/v1/chat/completions',
  is_local: true,
  tier: 'T1',
  cost_per_input_token: 0,
  cost_per_output_token: 0,
} as const satisfies Partial<Preset>

/**
 * What is known of providers beforehand; costs are dollars per token. A preset counts once its section exists in the
 * configuration or a key for it exists; until then it is never contacted.
 */
export const presets: Readonly<Record<string, Preset>> = {
  openai: {
    url: 'https://api.openai.com',
    format: 'openai',
    chat_path: '/v1/chat/completions',
    api_key_env: 'OPENAI_API_KEY',
    tier: 'T3',
    cost_per_input_token: 0.00003,
    cost_per_output_token: 0.00006,
    embedding_path: '/v1/embeddings',
    embedding_model: 'text-embedding-3-small',
    embedding_dimensions: 1536,
  },
  anthropic: {
    url: 'https://api.anthropic.com',
    format: 'anthropic',
    chat_path: '/v1/messages',
    api_key_env: 'ANTHROPIC_API_KEY',
    auth_header: 'x-api-key',
    extra_headers: { 'anthropic-version': '2023-06-01' },
    tier: 'T3',
    cost_per_input_token: 0.000015,
    cost_per_output_token: 0.000075,
  },
  google: {
    url: 'https://generativelanguage.googleapis.com',
    format: 'google',
    api_key_env: 'GOOGLE_API_KEY',
    tier: 'T3',
    cost_per_input_token: 0.0000025,
    cost_per_output_token: 0.00001,
    embedding_model: 'gemini-embedding-001',
    embedding_dimensions: 768,
  },
  openrouter: {
    url: 'https://openrouter.ai/api',
    format: 'openai',
    chat_path: '/v1/chat/completions',
    api_key_env: 'OPENROUTER_API_KEY',
    tier: 'T2',
    cost_per_input_token: 0,
    cost_per_output_token: 0,
  },
  moonshot: {
    url: 'https://api.moonshot.ai',
    format: 'openai',
    chat_path: '/v1/chat/completions',
    api_key_env: 'MOONSHOT_API_KEY',
    tier: 'T2',
    cost_per_input_token: 0.000001,
    cost_per_output_token: 0.000002,
  },
  ollama: {
    ...local,
    url: 'http://127.0.0.1:11434',
    embedding_path: '/api/embed',
    embedding_model: 'nomic-embed-text',
    embedding_dimensions: 768,
  },
  sglang: { ...local, url: 'http://127.0.0.1:30000' },
  vllm: { ...local, url: 'http://127.0.0.1:8000' },
  'llama-cpp': { ...local, url: 'http://127.0.0.1:8080' },
  'docker-model-runner': { ...local, url: 'http://127.0.0.1:12434' },
}
