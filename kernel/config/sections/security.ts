import { z } from 'zod'
import { choice, flag, integer, section, textList } from '../fields.ts'

/** From the least trusted to the most. */
export const authorities = ['External', 'Peer', 'SelfGenerated', 'Creator'] as const

/** Parts of paths that no tool may touch, whoever asks; compared without regard to case. */
const protectedPaths = [
  '/etc/shadow',
  '/etc/passwd',
  '/etc/sudoers',
  '.env',
  '.env.local',
  '.env.production',
  'credentials.json',
  'service-account.json',
  'service_account.json',
  'wallet.json',
  'keystore.json',
  'keystore.enc',
  'private_key',
  '.ssh/',
  '.gnupg/',
  '.aws/credentials',
  '.kube/config',
  '.docker/config.json',
  '/boot/',
  '/proc/',
  '/sys/',
  'keel.toml',
  'overrides.toml',
  'keel.db',
  'secret.key',
  'api.key',
  '.htpasswd',
  '.pgpass',
  'id_rsa',
  'id_ed25519',
  '.npmrc',
  '.pypirc',
  '.netrc',
  '.sqlite',
  '.db-journal',
]

const required = z.literal(true, 'expected true: an empty allow-list always denies').default(true)

export const security = section({
  deny_on_empty_allowlist: required,
  allowlist_authority: choice(authorities, 'Peer'),
  trusted_authority: choice(authorities, 'Creator'),
  api_authority: choice(authorities, 'Creator'),
  threat_caution_ceiling: choice(authorities, 'External'),
  filesystem: section({
    workspace_only: flag(true),
    protected_paths: textList(protectedPaths),
    extra_protected_paths: textList(),
    script_fs_confinement: flag(true),
    script_allowed_paths: textList(),
    tool_allowed_paths: textList(),
  }),
})

export const approvals = section({
  enabled: flag(false),
  gated_tools: textList(),
  blocked_tools: textList(),
  /** Tools of this risk or a higher one wait for an approval; `Forbidden` gates by name alone. */
  gate_risk: choice(['Safe', 'Caution', 'Dangerous', 'Forbidden'], 'Dangerous'),
  timeout_seconds: integer(300, 1, 604_800),
  /** So long a blocking caller waits for a person; then it is told that an approval is pending, and the turn goes on without it. */
  answer_wait_seconds: integer(25, 0, 600),
})
