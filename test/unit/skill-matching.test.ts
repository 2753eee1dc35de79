import { expect, test } from 'vitest'
import { matchSkills, prepareMatcher } from '#kernel/skills/match.ts'
import type { Skill } from '#kernel/skills/skill.ts'
import { readSkillText } from '#sdk/skill.ts'

function skill(name: string, frontmatter: string, body = 'Do it.'): Skill {
  const text = readSkillText(`---\nname: ${name}\n${frontmatter}\n---\n${body}`, name)
  const place = { root: '', base: '', source_path: '', files: [], hash: name, uncovered: [] }
  const state = {
    id: name,
    enabled: true,
    trusted_hash: null,
    registry_source: 'local',
    created_at: '',
    last_loaded_at: null,
  }
  return { ...text, ...place, ...state, error: null, unmet: [] }
}

const match = (text: string, ...skills: Skill[]) =>
  matchSkills(skills.map(prepareMatcher), text).map(({ skill: { name }, reason }) => [name, reason])

const rust = skill(
  'rust',
  'description: D\ntriggers: {keywords: [rust, borrow checker], regex_patterns: ["(?i)E\\\\d{4}"], tool_names: [read_file]}',
)

test('keywords are whole words, whatever their case and script', () => {
  expect(match('Explain the Borrow Checker of RUST', rust)).toEqual([['rust', 'keywords rust, borrow checker']])
  expect(match('trust me, rusty', rust)).toEqual([])
  const greek = skill('greek', 'description: D\ntriggers: {keywords: ["λόγος", "c++", "$"]}')
  expect(match('τι είναι ΛΌΓΟΣ;', greek)).toHaveLength(1)
  expect(match('learn c++ now', greek)).toHaveLength(1)
})

test('patterns and named tools count as well', () => {
  expect(match('what is e0382?', rust)).toEqual([['rust', 'pattern (?i)E\\d{4}']])
  expect(match('use read_file on it', rust)).toEqual([['rust', 'tools read_file']])
  expect(match('use my_read_file2 on it', rust)).toEqual([])
})

test('better signs come first, then the priority, then the name', () => {
  const low = skill('a-low', 'description: D\npriority: 1\ntriggers: {keywords: [rust]}')
  const high = skill('z-high', 'description: D\npriority: 90\ntriggers: {keywords: [rust]}')
  expect(match('rust and its borrow checker', low, high, rust).map(([name]) => name)).toEqual([
    'z-high',
    'rust',
    'a-low',
  ])
  expect(
    match(
      'rust',
      skill('b', 'description: D\ntriggers: {keywords: [rust]}'),
      low,
      skill('a', 'description: D\ntriggers: {keywords: [rust]}'),
    ).map(([name]) => name),
  ).toEqual(['a', 'b', 'a-low'])
})

test('without triggers two words of the description are relevant, and one is chance', () => {
  const plain = skill('changelog', 'description: Writes release notes from the history of a repository.')
  expect(match('Please write the release notes', plain)).toEqual([['changelog', 'words write, release, note']])
  expect(match('What is the history of Rome?', plain)).toEqual([])
})

test('at most three, and only as many as fit: one that is too large leaves room for others', () => {
  const named = (name: string, body?: string) => skill(name, 'description: D\ntriggers: {keywords: [go]}', body)
  expect(match('go', named('a'), named('b'), named('c'), named('d')).map(([name]) => name)).toEqual(['a', 'b', 'c'])
  const large = 'word '.repeat(3_000)
  expect(match('go', named('a', large), named('b', large), named('c')).map(([name]) => name)).toEqual(['a', 'c'])
})

test('patterns that would take for ever take no time, and what RE2 does not know is named', () => {
  const evil = skill(
    'evil',
    'description: D\ntriggers: {regex_patterns: ["(a+)+$", "(.*.*)*=x", "(?=look)", "(a)\\\\1", "((a{1,100}){1,100}){1,100}"]}',
  )
  const { refused, patterns } = prepareMatcher(evil)
  expect(refused).toEqual(['(?=look)', '(a)\\1', '((a{1,100}){1,100}){1,100}'])
  expect(patterns).toHaveLength(2)
  const many = Array.from({ length: 300 }, (_, index) =>
    prepareMatcher(
      skill(
        `s${index}`,
        `description: D\ntriggers: {regex_patterns: [${Array.from({ length: 20 }, (_, n) => `"(\\\\w+\\\\s*)+${n}#$"`)}]}`,
      ),
    ),
  )
  const before = performance.now()
  expect(
    matchSkills([...many, prepareMatcher(rust)], `rust ${'a'.repeat(40_000)}!`).map(({ skill: { name } }) => name),
  ).toEqual(['rust'])
  // Keywords count however long the patterns of others take.
  expect(performance.now() - before).toBeLessThan(2_000)
})
