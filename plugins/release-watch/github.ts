import { type Host, z } from '@keel/sdk'

const maxNotes = 600

const answer = z.array(
  z.object({
    tag_name: z.string(),
    name: z.string().nullish(),
    html_url: z.string(),
    published_at: z.string().nullish(),
    prerelease: z.boolean(),
    draft: z.boolean(),
    body: z.string().nullish(),
  }),
)

export interface Release {
  tag: string
  title: string
  url: string
  published: string | null
  /** The beginning of what the project says about it: text of strangers. */
  notes: string
}

/** The newest release that counts, or undefined where a project has none. */
export async function latestRelease(project: string, host: Host, prereleases: boolean): Promise<Release | undefined> {
  const reply = await host.http.fetch(`https://api.github.com/repos/${project}/releases?per_page=10`, {
    headers: {
      accept: 'application/vnd.github+json',
      'user-agent': 'keel-release-watch',
      authorization: `Bearer ${host.secrets.GITHUB_TOKEN}`,
    },
  })
  if (reply.status === 404) throw new Error('there is no such project')
  if (reply.status === 401) throw new Error('GitHub refuses the token')
  if (reply.status === 403 || reply.status === 429) throw new Error('the rate limit is reached; try again in an hour')
  if (!reply.ok) throw new Error(`GitHub answered ${reply.status}`)
  const found = answer.parse(reply.json()).find(({ draft, prerelease }) => !draft && (prereleases || !prerelease))
  return (
    found && {
      tag: found.tag_name,
      title: found.name || found.tag_name,
      url: found.html_url,
      published: found.published_at ?? null,
      notes: (found.body ?? '').slice(0, maxNotes),
    }
  )
}
