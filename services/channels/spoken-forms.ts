/*
 * What people send that is neither text nor a file, in words.
 */

const mostPhones = 5

export interface SharedPlace {
  latitude: number
  longitude: number
  name?: string | undefined
  address?: string | undefined
}

export function placeInWords({ latitude, longitude, name, address }: SharedPlace): string {
  const called = [name, address].filter(Boolean).join(', ')
  return `Location: ${latitude}, ${longitude}${called === '' ? '' : ` (${called})`}`
}

export function contactInWords({ name, phones }: { name: string; phones: readonly string[] }): string {
  return `Contact: ${[name, ...phones.slice(0, mostPhones)].filter((part) => part !== '').join(', ')}`
}
