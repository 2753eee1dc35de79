import { expect, test } from 'vitest'
import { isAllowedHost, isPublicAddress, isSameAddress } from '#sdk/egress/address-rules.ts'

test.each(['93.184.216.34', '8.8.8.8', '2606:4700::1111', '2a00:1450:4001::64'])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true)
})

test.each([
  '0.0.0.0',
  '0.1.2.3',
  '10.1.2.3',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::8.8.8.8',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:0:8.8.8.8',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7f00:1',
  '2001:0:1::1',
  '2001:db8::1',
  '2002:7f00:1::',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '1234::1',
  'example.com',
  '',
])('%s is not public', (address) => {
  expect(isPublicAddress(address)).toBe(false)
})

test('a host is allowed by its name, or by its name and port', () => {
  const url = new URL('http://Ollama.Local:11434/x')
  expect(isAllowedHost(url, ['ollama.local'])).toBe(true)
  expect(isAllowedHost(url, ['OLLAMA.local:11434'])).toBe(true)
  expect(isAllowedHost(url, ['ollama.local:80', 'local', 'my.ollama.local', ''])).toBe(false)
  expect(isAllowedHost(new URL('https://ollama.local/'), ['ollama.local:443'])).toBe(true)
  expect(isAllowedHost(new URL('http://[::1]:8080/'), ['::1'])).toBe(true)
  expect(isAllowedHost(new URL('http://[::1]:8080/'), ['[::1]:8080'])).toBe(true)
})

test('an address is the same however it is written', () => {
  expect(isSameAddress('::1', '0:0:0:0:0:0:0:1')).toBe(true)
  expect(isSameAddress('127.0.0.1', '::ffff:127.0.0.1')).toBe(true)
  expect(isSameAddress('2606:4700::1111', '2606:4700:0::1111')).toBe(true)
  expect(isSameAddress('127.0.0.1', '127.0.0.2')).toBe(false)
  expect(isSameAddress('127.0.0.1', '::1')).toBe(false)
  expect(isSameAddress('localhost', 'localhost')).toBe(false)
})
