import { expect, test } from 'vitest'
import { askedPermissions, parseManifest, riskOfTool } from '#sdk/plugin-manifest.ts'

const head = 'name = "a"\nversion = "1"\n'
const tool = (keys: string) => `${head}[[tools]]\nname = "t"\n${keys}`

test('a manifest of three lines has everything else by default', () => {
  const { manifest, warnings } = parseManifest(`${head}[[tools]]\nname = "t"`)
  expect(manifest).toMatchObject({ timeout_seconds: 30, memory_mb: 64, permissions: [], http: { hosts: [] } })
  expect(manifest.tools).toMatchObject([{ name: 't', idempotent: false, expose: true, paths: [], permissions: [] }])
  expect(warnings).toEqual([])
})

test.each([
  ['version = "1"', 'name'],
  ['name = "../up"\nversion = "1"', 'name: expected lower-case letters'],
  ['name = "Up"\nversion = "1"', 'name: expected lower-case letters'],
  [`name = "${'a'.repeat(65)}"\nversion = "1"`, 'name: expected lower-case letters'],
  ['name = "a"\nversion = "one two"', 'version: expected a version'],
  [`${head}timeout_seconds = 301`, 'timeout_seconds'],
  [`${head}memory_mb = 8`, 'memory_mb'],
  [`${head}permissions = ["root"]`, 'permissions: there is no root'],
  [`${head}permissions = "kv"`, 'permissions'],
  [`${head}main = "../other/plugin.js"`, 'main: expected a path inside the folder'],
  [`${head}[web]\nroot = "../.."`, 'web.root: expected a path inside the folder'],
  [`${head}[web]\nroot = "/etc"`, 'web.root: expected a path inside the folder'],
  [`${head}[http]\nhosts = ["https://a.org/path"]`, 'http.hosts.0: expected a host'],
  [`${head}[http]\nhosts = ["*"]`, 'http.hosts.0: expected a host'],
  [`${head}companion_skills = ["../manners.md"]`, 'companion_skills.0: expected a path inside the folder'],
  [`${head}companion_skills = ["manners.txt"]`, 'companion_skills.0: expected a path that ends in .md'],
  [`${head}[[secrets]]\nname = "token"\nhosts = ["a.org"]`, 'secrets.0.name: expected capital letters'],
  [`${head}[[secrets]]\nname = "T"\nhosts = []`, 'secrets.0.hosts: a secret goes to the hosts it names'],
  [`${head}[settings.word]\ntype = "number"\ndefault = "one"`, 'settings.word.default: expected a number'],
  [`${head}[settings.Word]\ntype = "string"\ndefault = ""`, 'settings.Word'],
  [`${head}[[requirements]]\nname = "x"\ncommand = "a b"`, 'requirements.0.command: expected the name of a program'],
  [tool('risk = "none"'), 'tools.0.risk: expected safe, caution or dangerous'],
  [tool('script = "/bin/sh"'), 'tools.0.script: expected a path inside the folder'],
  [tool('script = "bin\\\\run"'), 'tools.0.script'],
  [`${head}[[tools]]\nname = "t t"`, 'tools.0.name: expected at most 64 letters'],
  [`${head}[[tools]]\nname = "t"\n[[tools]]\nname = "t"`, 'tools: t is there twice'],
  [`${head}[[tools]`, 'not valid TOML'],
  [`description = "${'x'.repeat(70_000)}"`, 'more than 65536 bytes'],
])('%# what is wrong is named: %s', (source, problem) => {
  expect(() => parseManifest(source)).toThrow(problem)
})

test('all that is wrong is told at once', () => {
  expect(() => parseManifest('name = "A"\nversion = "1 2"')).toThrow(/name: .*; version: /)
})

test('what has no effect is a warning', () => {
  const { warnings } = parseManifest(
    `colour = "red"\n${head}permissions = ["FileSystem"]\n[http]\nhosts = ["a.org"]\n[[tools]]\nname = "t"`,
  )
  expect(warnings).toEqual([
    'colour: is not known and has no effect',
    'permissions: filesystem is not to be had in Keel',
    'http.hosts: has no effect without the permission http.fetch',
  ])
})

test('a script is a program of the machine: it asks for that, and is never safe', () => {
  const { manifest, warnings } = parseManifest(tool('risk = "safe"\nscript = "bin/run.sh"'))
  expect(askedPermissions(manifest)).toEqual(['process'])
  expect(manifest.tools.map(riskOfTool)).toEqual(['Caution'])
  expect(warnings).toEqual(['tools: scripts run as programs of this machine, outside the sandbox'])
})

test.each([
  ['risk = "safe"', 'Safe'],
  ['', 'Caution'],
  ['dangerous = false', 'Caution'],
  ['dangerous = true', 'Dangerous'],
  ['risk = "SAFE"\ndangerous = true', 'Dangerous'],
])('the risk of a tool with %j is %s', (keys, risk) => {
  expect(parseManifest(tool(keys)).manifest.tools.map(riskOfTool)).toEqual([risk])
})
