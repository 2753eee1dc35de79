import { expect, test } from 'vitest'
import { fromFields, readSkillText } from '#sdk/skill.ts'

const codes = (text: string, name = 'notes') => readSkillText(text, name).findings.map(({ code }) => code)

test('a clean skill has nothing to find, and keys that nobody knows are kept', () => {
  const text = `---
name: notes
description: Takes notes. Use when somebody asks for notes.
version: 1.2.0
author: Ann
priority: 7
license: MIT
triggers:
  keywords: [note, minutes]
  tool_names: [read_file]
  regex_patterns: ["(?i)write .* down"]
metadata:
  openclaw:
    requires: { bins: [git], anyBins: [rg, grep], env: [HOME] }
    os: [linux, darwin]
---

# Notes

Take them.
`
  expect(readSkillText(text, 'notes')).toMatchObject({
    name: 'notes',
    description: 'Takes notes. Use when somebody asks for notes.',
    version: '1.2.0',
    author: 'Ann',
    priority: 7,
    triggers: { keywords: ['note', 'minutes'], tool_names: ['read_file'], regex_patterns: ['(?i)write .* down'] },
    requirements: { bins: ['git'], any_bins: ['rg', 'grep'], env: ['HOME'], os: ['linux', 'darwin'] },
    frontmatter: { license: 'MIT' },
    body: '# Notes\n\nTake them.',
    findings: [],
  })
})

test('without front matter the folder names it and the first sentence tells what it does', () => {
  const skill = readSkillText('# Notes\n\nTakes notes of meetings.\n\nMore.', 'meeting-notes')
  expect(skill).toMatchObject({ name: 'meeting-notes', description: 'Takes notes of meetings.' })
  expect(skill.findings.map(({ code }) => code)).toEqual(['no_front_matter', 'no_name', 'no_description'])
})

test('front matter ends at a line of hyphens, not at hyphens in a value', () => {
  const skill = readSkillText('---\nname: notes\ndescription: one --- two\n---\nBody', 'notes')
  expect(skill).toMatchObject({ description: 'one --- two', body: 'Body', findings: [] })
})

test('a colon in a text without quotes is broken YAML, and understood', () => {
  const skill = readSkillText('---\nname: notes\ndescription: Notes: the best\npriority: 9\n---\nBody', 'notes')
  expect(skill).toMatchObject({ description: 'Notes: the best', priority: 9 })
  expect(skill.findings.map(({ code }) => code)).toEqual(['broken_yaml'])
})

test.each([
  ['front matter without an end', '---\nname: notes\ndescription: D\n\nBody', ['front_matter_not_ended']],
  ['a list for front matter', '---\n- a\n---\nBody', ['front_matter_no_table', 'no_name', 'no_description']],
  ['another name than the folder', '---\nname: other\ndescription: D\n---\nB', ['name_differs']],
  ['a name out of form', '---\nname: My Notes\ndescription: D\n---\nB', ['name_form', 'name_differs']],
  ['nothing below', '---\nname: notes\ndescription: D\n---\n', ['no_body']],
  ['a priority that is none', '---\nname: notes\ndescription: D\npriority: -3\n---\nB', ['priority_form']],
  [
    'an unknown override',
    '---\nname: notes\ndescription: D\npolicy_overrides: {allow_all: true}\n---\nB',
    ['override_unknown'],
  ],
  ['a long description', `---\nname: notes\ndescription: ${'d'.repeat(1_025)}\n---\nB`, ['description_long']],
  ['a long body', `---\nname: notes\ndescription: D\n---\n${'line\n'.repeat(600)}`, ['body_long']],
])('%s is a finding', (_, text, expected) => {
  expect(codes(text)).toEqual(expected)
})

test('the name is the folder’s, whatever the front matter says', () => {
  expect(readSkillText('---\nname: ../../etc\ndescription: D\n---\nB', 'notes').name).toBe('notes')
  expect(readSkillText('---\nname: x\ndescription: D\n---\nB', 'Über Notes!').name).toBe('u-ber-notes')
})

test('a bomb of aliases is not unfolded, and its plain lines are still read', () => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghi'.split('').map((key, index) => {
      const before = 'abcdefgh'[index]
      return `${key}: &${key} [${Array(9).fill(`*${before}`).join(',')}]`
    }),
  ].join('\n')
  const before = performance.now()
  const skill = readSkillText(`---\nname: notes\ndescription: D\n${bomb}\n---\nB`, 'notes')
  expect(performance.now() - before).toBeLessThan(1_000)
  expect(skill.findings.map(({ code }) => code)).toEqual(['broken_yaml'])
  expect(skill.description).toBe('D')
})

test.each([
  ['deep lists', `a: ${'['.repeat(15_000)}`],
  ['deep questions', '? '.repeat(8_000)],
  ['a mebibyte', `a: ${'['.repeat(1_000_000)}`],
  ['an alias of itself', 'a: &a [*a]'],
])('front matter of %s takes no time to speak of', (_, yaml) => {
  const before = performance.now()
  const skill = readSkillText(`---\nname: notes\ndescription: D\n${yaml}\n---\nB`, 'notes')
  expect(performance.now() - before).toBeLessThan(1_000)
  expect(skill).toMatchObject({ name: 'notes', body: 'B' })
})

test('keys that mean something to the language are left out, at any depth', () => {
  const text =
    '---\nname: notes\ndescription: D\n__proto__: {polluted: 1}\nmetadata:\n  constructor: {prototype: {polluted: 1}}\n  kept: 1\n---\nB'
  const { frontmatter, findings } = readSkillText(text, 'notes')
  expect(frontmatter).toEqual({ name: 'notes', description: 'D', metadata: { kept: 1 } })
  expect(Object.getPrototypeOf(frontmatter)).toBe(Object.prototype)
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
  expect(findings).toEqual([])
})

test('overrides that can not be read narrow', () => {
  const overrides = (more: string) =>
    readSkillText(`---\nname: notes\ndescription: D\n${more}\n---\nB`, 'notes').policy_overrides
  const creatorAlone = { require_creator: true, deny_external: true, disabled: false }
  expect(overrides('policy_overrides: {require_creator: "maybe"}')).toMatchObject({ require_creator: true })
  expect(overrides('policy_overrides: [disabled]')).toEqual(creatorAlone)
  expect(overrides('policy_overrides:\n  deny_external: true\nbad: a: b')).toEqual(creatorAlone)
  expect(overrides('policy_overrides: {disabled: false}')).toEqual({
    ...creatorAlone,
    require_creator: false,
    deny_external: false,
  })
  expect(readSkillText('---\nname: n\ndescription: D\nrisk_level: odd\n---\nB', 'n').risk_level).toBe('Dangerous')
})

test('requirements are read as the wild writes them', () => {
  const requirements = (metadata: string) =>
    readSkillText(`---\nname: notes\ndescription: D\nmetadata: ${metadata}\n---\nB`, 'notes').requirements
  const expected = { bins: ['uv'], any_bins: [], env: ['KEY'], os: ['darwin'] }
  const claw = '{"requires":{"bins":["uv"],"env":["KEY"]},"os":["darwin"]}'
  expect(requirements(`{"openclaw":${claw}}`)).toEqual(expected)
  expect(requirements(`{"clawdbot":${claw}}`)).toEqual(expected)
  expect(requirements(`'{"openclaw":${claw}}'`)).toEqual(expected)
})

test('triggers are bounded, and a list of words is a list of keywords', () => {
  const triggers = (given: unknown) =>
    fromFields({ triggers: given }, { body: 'B', expectedName: 'n', kind: 'instruction', findings: [] }).triggers
  expect(triggers(['a', 'b']).keywords).toEqual(['a', 'b'])
  expect(triggers({ keywords: Array.from({ length: 100 }, (_, index) => `k${index}`) }).keywords).toHaveLength(64)
  expect(triggers({ regex_patterns: ['x'.repeat(257), 'y'] }).regex_patterns).toEqual(['y'])
})
