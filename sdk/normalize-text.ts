const zeroWidth = /\u200B|\u200C|\u200D|\u2060|\uFEFF/g

/** Cyrillic letters that look like Latin ones, as written to slip past a filter. */
const lookAlikes: Record<string, string> = {
  а: 'a',
  с: 'c',
  е: 'e',
  і: 'i',
  о: 'o',
  р: 'p',
  ѕ: 's',
  у: 'y',
  х: 'x',
  ѵ: 'v',
}
const lookAlike = new RegExp(`[${Object.keys(lookAlikes).join('')}]`, 'gi')

/** The text as a reader sees it: compatibility forms composed, invisible characters made spaces, look-alikes made Latin. */
export function normalizeText(text: string): string {
  return text
    .normalize('NFKC')
    .replace(zeroWidth, ' ')
    .replace(lookAlike, (letter) => lookAlikes[letter.toLowerCase()] ?? letter)
}
