// oidc-provider, configured like the auth service; everybody who comes is the same user, logged in and consenting.
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import Provider, { errors } from 'oidc-provider'

const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'jobs:run', 'jobs:other']
const lines = createInterface({ input: process.stdin })
const given = JSON.parse((await lines[Symbol.asyncIterator]().next()).value)

async function interact(provider, request, response) {
  const { params, session } = await provider.interactionDetails(request, response)
  const accountId = session?.accountId ?? 'user'
  const grant = new provider.Grant({ accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope ?? 'openid')
  grant.addResourceScope(given.audience, params.scope ?? 'openid')
  const result = { login: { accountId }, consent: { grantId: await grant.save() } }
  await provider.interactionFinished(request, response, result)
}

const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: given.clients,
    jwks: { keys: [given.signing_key] },
    scopes: SCOPES,
    responseTypes: ['code'],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], clientAuthSigningAlgValues: ['ES256', 'RS256'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `${issuer}/interaction/${interaction.uid}` },
    renderError: (ctx, out) => { ctx.type = 'html'; ctx.body = `<h1>${out.error}</h1>` },
    cookies: { keys: [given.cookie_key], long: { sameSite: 'none', secure: false } },
    enableHttpPostMethods: true,
    allowOmittingSingleRegisteredRedirectUri: false,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => given.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => {
          if (resource !== given.audience) throw new errors.InvalidTarget()
          return { scope: SCOPES.join(' '), audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }
        },
      },
    },
  })
  const answer = provider.callback()
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) return answer(request, response)
    return interact(provider, request, response).catch((error) => {
      response.statusCode = 500
      response.end(String(error.stack))
    })
  })
  console.log(JSON.stringify({ issuer }))
})
lines.on('close', () => process.exit(0))
