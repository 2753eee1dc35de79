/** What a fresh home's keel.toml holds: everything is optional, so everything is a comment. */
export const starterConfig = `# Keel's settings. Keel never rewrites this file: what is changed in the dashboard or over the API
# goes to overrides.toml beside it, and wins over what stands here. Check a change with: keel config check

# [agent]
# name = "Keel"

# A model from a provider. Keep keys out of this file: name the environment variable that holds the key,
# or store it sealed with: keel provider key openai
#
# [models]
# primary = "openai/gpt-5"
# fallbacks = ["ollama/llama3.3"]
#
# [providers.openai]
# api_key_env = "OPENAI_API_KEY"
#
# [providers.ollama]
# url = "http://127.0.0.1:11434"
`
