// What the relying parties share: settings and the user agent's answers come as lines, findings go out as lines.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function line() {
  const { value, done } = await lines.next()
  if (done) throw new Error('the test has ended')
  return value
}

/** Open a link as the user, and return the URL that the browser is sent to in the end. */
export async function visit(url) {
  console.log(JSON.stringify({ visit: String(url) }))
  return new URL(await line())
}

/** Return the private key of a client, which comes as a JWK. */
export function importKey(jwk) {
  const { kid, alg, use, ...key } = jwk
  return crypto.subtle.importKey('jwk', key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
}

/** Return the error that a call has to end with, in the words of the library. */
export async function refusal(call) {
  try {
    await call()
  } catch (error) {
    return { error: error.error ?? error.cause?.error, code: error.code, name: error.name }
  }
  throw new Error('it was not refused')
}

/** Run the flow that the command line names. */
export async function run(flows) {
  const found = await flows[process.argv[2]](JSON.parse(await line()))
  console.log(JSON.stringify(found))
  process.exit(0)
}
