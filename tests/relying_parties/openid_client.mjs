// openid-client as a relying party of the auth service.
import * as client from 'openid-client'
import { importKey, refusal, run, visit } from './harness.mjs'

const INSECURE = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] }

function discover(given, id, metadata, authentication, options = {}) {
  return client.discovery(new URL(given.issuer), id, metadata, authentication, { ...INSECURE, ...options })
}

async function confidential(given) {
  const metadata = { client_secret: given.secrets.confidential, id_token_signed_response_alg: 'RS256' }
  return discover(given, 'confidential', metadata, client.ClientSecretBasic())
}

async function signer(given) {
  const key = { key: await importKey(given.key), kid: given.key.kid }
  return discover(given, 'signer', {}, client.PrivateKeyJwt(key))
}

/** Log the user in with code, PKCE, state and nonce, and return the tokens and the checks. */
async function login(given, config, { parameters = {}, push = false, options = {}, checks = {} } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const wanted = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() }
  const query = {
    redirect_uri: given.callback,
    scope: 'openid profile email offline_access',
    state: wanted.expectedState,
    nonce: wanted.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...parameters,
  }
  const url = push
    ? await client.buildAuthorizationUrlWithPAR(config, query, options)
    : client.buildAuthorizationUrl(config, query)
  const came = await visit(url)
  const all = { ...wanted, idTokenExpected: true, ...checks }
  return { tokens: await client.authorizationCodeGrant(config, came, all, {}, options), url, came }
}

const flows = {
  async login(given) {
    const config = await discover(given, 'public', {}, client.None())
    const { tokens } = await login(given, config, { parameters: { max_age: '600' }, checks: { maxAge: 600 } })
    const claims = tokens.claims()
    const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    return { claims, user, pkce: config.serverMetadata().supportsPKCE(), type: tokens.token_type }
  },

  async consent(given) {
    const config = await discover(given, 'public', {}, client.None())
    const { tokens } = await login(given, config, { parameters: { prompt: 'consent' } })
    return { claims: tokens.claims() }
  },

  async login_of_a_confidential_client(given) {
    const config = await confidential(given)
    const { tokens } = await login(given, config)
    return { claims: tokens.claims() }
  },

  async checks_of_the_answer(given) {
    const config = await discover(given, 'public', {}, client.None())
    const state = await refusal(() => login(given, config, { checks: { expectedState: 'another' } }))
    const nonce = await refusal(() => login(given, config, { checks: { expectedNonce: 'another' } }))
    const verifier = { pkceCodeVerifier: client.randomPKCECodeVerifier() }
    const pkce = await refusal(() => login(given, config, { checks: verifier }))
    const silent = await refusal(() => login(given, config, { parameters: { prompt: 'none login' } }))
    return { state, nonce, pkce, silent }
  },

  async refresh(given) {
    const config = await discover(given, 'public', {}, client.None())
    const { tokens } = await login(given, config)
    const second = await client.refreshTokenGrant(config, tokens.refresh_token)
    const third = await client.refreshTokenGrant(config, second.refresh_token, { scope: 'openid' })
    // The first one is two generations old now: whoever has it stole it.
    const reused = await refusal(() => client.refreshTokenGrant(config, tokens.refresh_token))
    const burnt = await refusal(() => client.refreshTokenGrant(config, third.refresh_token))
    const generations = [tokens, second, third].map((one) => one.refresh_token)
    return { generations, same: second.claims().sub === tokens.claims().sub, scope: third.scope, reused, burnt }
  },

  async client_credentials_by_default(given) {
    const config = await discover(given, 'poster', given.secrets.poster)
    const tokens = await client.clientCredentialsGrant(config, { resource: given.audience })
    return { type: tokens.token_type }
  },

  async client_credentials(given) {
    const config = await signer(given)
    const tokens = await client.clientCredentialsGrant(config, { scope: 'jobs:run', resource: given.audience })
    const refused = await refusal(() => client.clientCredentialsGrant(config, { scope: 'admin' }))
    return { scope: tokens.scope, token: tokens.access_token, type: tokens.token_type, refused }
  },

  async login_with_a_key(given) {
    const config = await signer(given)
    const { tokens } = await login(given, config)
    const second = await client.refreshTokenGrant(config, tokens.refresh_token)
    return { claims: tokens.claims(), rotated: second.refresh_token !== tokens.refresh_token }
  },

  async pushed_request(given) {
    const config = await confidential(given)
    const { tokens, url } = await login(given, config, { push: true })
    const wrong = await refusal(() => login(given, config, { push: true, parameters: { scope: 'admin' } }))
    return { claims: tokens.claims(), parameters: [...url.searchParams.keys()].sort(), wrong }
  },

  async dpop(given) {
    const config = await discover(given, 'bound', { use_dpop: true }, client.None())
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const { tokens } = await login(given, config, { options: { DPoP } })
    const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })
    const second = await client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP })
    const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const stolen = await refusal(() => client.refreshTokenGrant(config, second.refresh_token, {}, { DPoP: other }))
    const bearer = await refusal(() => client.fetchUserInfo(config, second.access_token, client.skipSubjectCheck))
    return { user, type: tokens.token_type, thumbprint: await DPoP.calculateThumbprint(), stolen, bearer, token: second.access_token }
  },

  async dpop_of_a_pushed_request(given) {
    const config = await confidential(given)
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const { tokens } = await login(given, config, { push: true, options: { DPoP } })
    return { type: tokens.token_type, claims: tokens.claims() }
  },

  async introspection_and_revocation(given) {
    const config = await confidential(given)
    const { tokens } = await login(given, config)
    const ask = (token) => client.tokenIntrospection(config, token)
    const before = [await ask(tokens.access_token), await ask(tokens.refresh_token)]
    await client.tokenRevocation(config, tokens.access_token)
    const between = [await ask(tokens.access_token), await ask(tokens.refresh_token)]
    await client.tokenRevocation(config, tokens.refresh_token, { token_type_hint: 'refresh_token' })
    const after = [await ask(tokens.refresh_token), await ask('no token of anybody')]
    return { before, between, after }
  },

  async logout(given) {
    const config = await discover(given, 'public', {}, client.None())
    const { tokens } = await login(given, config, { parameters: { scope: 'openid' } })
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: given.goodbye,
      state: 'bye-1',
    })
    const came = await visit(url)
    const refused = await refusal(() => client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub))
    return { came: came.href, refused }
  },

  async token_exchange(given) {
    const config = await discover(given, 'public', {}, client.None())
    const { tokens } = await login(given, config)
    const service = await confidential(given)
    const type = 'urn:ietf:params:oauth:token-type:access_token'
    const exchanged = await client.genericGrantRequest(service, 'urn:ietf:params:oauth:grant-type:token-exchange', {
      subject_token: tokens.access_token,
      subject_token_type: type,
      audience: given.audience,
    })
    return { type: exchanged.issued_token_type, told: await client.tokenIntrospection(service, exchanged.access_token) }
  },
}

await run(flows)
