// oauth4webapi as a relying party and as a resource server of the auth service.
import * as oauth from 'oauth4webapi'
import { importKey, refusal, run, visit } from './harness.mjs'

const LOCAL = { [oauth.allowInsecureRequests]: true }

async function discover(given, algorithm = 'oidc') {
  const issuer = new URL(given.issuer)
  const answer = await oauth.discoveryRequest(issuer, { algorithm, ...LOCAL })
  return oauth.processDiscoveryResponse(issuer, answer)
}

async function parties(given) {
  const key = { key: await importKey(given.key), kid: given.key.kid }
  return {
    public: [{ client_id: 'public' }, oauth.None()],
    bound: [{ client_id: 'bound' }, oauth.None()],
    signer: [{ client_id: 'signer' }, oauth.PrivateKeyJwt(key)],
    confidential: [
      { client_id: 'confidential', id_token_signed_response_alg: 'RS256' },
      oauth.ClientSecretBasic(given.secrets.confidential),
    ],
  }
}

/** Send a request, and once more with the nonce when the server asks for one (RFC 9449 section 8). */
async function withNonce(send) {
  try {
    return await send()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return send()
  }
}

/** Return what the processing of a request's answer finds; the request is sent again for a nonce. */
function exchange(request, process) {
  return withNonce(async () => process(await request()))
}

async function login(given, as, [client, authentication], { push = false, DPoP, more = {}, checks = {} } = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  let query = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: given.callback,
    scope: 'openid email offline_access',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  })
  if (push) {
    const pushed = await exchange(
      () => oauth.pushedAuthorizationRequest(as, client, authentication, query, { DPoP, ...LOCAL }),
      (answer) => oauth.processPushedAuthorizationResponse(as, client, answer),
    )
    query = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })
  }
  const came = await visit(`${as.authorization_endpoint}?${query}`)
  const parameters = oauth.validateAuthResponse(as, client, came, state)
  let answered
  const tokens = await exchange(
    async () => {
      answered = await oauth.authorizationCodeGrantRequest(
        as, client, authentication, parameters, given.callback, verifier, { DPoP, ...LOCAL },
      )
      return answered
    },
    (answer) => oauth.processAuthorizationCodeResponse(as, client, answer, {
      expectedNonce: nonce, requireIdToken: true, ...checks,
    }),
  )
  await oauth.validateApplicationLevelSignature(as, answered, LOCAL)
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens), came }
}

/** Check an access token as a resource server does (RFC 9068 section 4). */
function accept(given, as, token, { DPoP } = {}) {
  const headers = { authorization: `${DPoP ? 'DPoP' : 'Bearer'} ${token}`, ...DPoP }
  const request = new Request('http://127.0.0.1/orders', { headers })
  return oauth.validateJwtAccessToken(as, request, given.audience, LOCAL)
}

async function refresh(as, [client, authentication], token, options = {}) {
  return exchange(
    () => oauth.refreshTokenGrantRequest(as, client, authentication, token, { ...options, ...LOCAL }),
    (answer) => oauth.processRefreshTokenResponse(as, client, answer),
  )
}

async function userinfo(as, [client], token, subject, options = {}) {
  return exchange(
    () => oauth.userInfoRequest(as, client, token, { ...options, ...LOCAL }),
    (answer) => oauth.processUserInfoResponse(as, client, subject, answer),
  )
}

const flows = {
  async login(given) {
    const [as, { public: party }] = [await discover(given), await parties(given)]
    const more = { max_age: '600', resource: given.audience }
    const { tokens, claims } = await login(given, as, party, { more, checks: { maxAge: 600 } })
    const user = await userinfo(as, party, tokens.access_token, claims.sub)
    const accepted = await accept(given, as, tokens.access_token)
    const elsewhere = { ...given, audience: 'urn:example:elsewhere' }
    const refused = await refusal(() => accept(elsewhere, as, tokens.access_token))
    return { claims, user, accepted, refused }
  },

  async metadata_for_plain_oauth(given) {
    const [oidc, plain] = [await discover(given), await discover(given, 'oauth2')]
    return { same: JSON.stringify(oidc) === JSON.stringify(plain), issuer: plain.issuer }
  },

  async login_of_a_confidential_client(given) {
    const [as, { confidential }] = [await discover(given), await parties(given)]
    return { claims: (await login(given, as, confidential)).claims }
  },

  async answer_of_another_issuer(given) {
    const [as, { public: party }] = [await discover(given), await parties(given)]
    const { came } = await login(given, as, party)
    const state = came.searchParams.get('state')
    came.searchParams.set('iss', 'https://evil.example')
    const mixed = await refusal(async () => oauth.validateAuthResponse(as, party[0], came, state))
    came.searchParams.delete('iss')
    const missing = await refusal(async () => oauth.validateAuthResponse(as, party[0], came, state))
    return { mixed, missing }
  },

  async refresh(given) {
    const [as, { confidential }] = [await discover(given), await parties(given)]
    const { tokens } = await login(given, as, confidential)
    const second = await refresh(as, confidential, tokens.refresh_token)
    const again = await refresh(as, confidential, tokens.refresh_token)
    const third = await refresh(as, confidential, second.refresh_token)
    const reused = await refusal(() => refresh(as, confidential, tokens.refresh_token))
    const burnt = await refusal(() => refresh(as, confidential, third.refresh_token))
    const generations = [tokens, second, third].map((one) => one.refresh_token)
    return { generations, graceful: again.refresh_token === second.refresh_token, reused, burnt }
  },

  async client_credentials(given) {
    const [as, { signer }] = [await discover(given), await parties(given)]
    const ask = (parameters) => exchange(
      () => oauth.clientCredentialsGrantRequest(as, signer[0], signer[1], parameters, LOCAL),
      (answer) => oauth.processClientCredentialsResponse(as, signer[0], answer),
    )
    const tokens = await ask({ scope: 'jobs:run', resource: given.audience })
    const refused = await refusal(() => ask({ scope: 'admin' }))
    return { scope: tokens.scope, accepted: await accept(given, as, tokens.access_token), refused }
  },

  async pushed_request(given) {
    const [as, { signer }] = [await discover(given), await parties(given)]
    const { claims } = await login(given, as, signer, { push: true })
    const wrong = await refusal(() => login(given, as, signer, { push: true, more: { scope: 'admin' } }))
    return { claims, wrong }
  },

  async dpop(given) {
    const [as, { bound }] = [await discover(given), await parties(given)]
    const keys = await oauth.generateKeyPair('ES256')
    const DPoP = oauth.DPoP(bound[0], keys)
    const { tokens, claims } = await login(given, as, bound, { DPoP, more: { dpop_jkt: await DPoP.calculateThumbprint() } })
    const user = await userinfo(as, bound, tokens.access_token, claims.sub, { DPoP })
    const second = await refresh(as, bound, tokens.refresh_token, { DPoP })
    const other = oauth.DPoP(bound[0], await oauth.generateKeyPair('ES256'))
    const stolen = await refusal(() => refresh(as, bound, second.refresh_token, { DPoP: other }))
    const bearer = await refusal(() => accept(given, as, second.access_token))
    return { user, type: tokens.token_type, stolen, bearer, thumbprint: await DPoP.calculateThumbprint() }
  },

  async introspection_and_revocation(given) {
    const [as, { confidential }] = [await discover(given), await parties(given)]
    const { tokens } = await login(given, as, confidential)
    const ask = async (token) => oauth.processIntrospectionResponse(
      as, confidential[0], await oauth.introspectionRequest(as, ...confidential, token, LOCAL),
    )
    const revoke = async (token) => oauth.processRevocationResponse(
      await oauth.revocationRequest(as, ...confidential, token, LOCAL),
    )
    const before = [await ask(tokens.access_token), await ask(tokens.refresh_token)]
    await revoke(tokens.access_token)
    const between = [await ask(tokens.access_token), await ask(tokens.refresh_token)]
    await revoke(tokens.refresh_token)
    const after = [await ask(tokens.refresh_token), await ask('no token of anybody')]
    return { before, between, after }
  },

  async logout(given) {
    const [as, { public: party }] = [await discover(given), await parties(given)]
    const { tokens, claims } = await login(given, as, party, { more: { scope: 'openid' } })
    const query = { id_token_hint: tokens.id_token, post_logout_redirect_uri: given.goodbye, state: 'bye-1' }
    const came = await visit(`${as.end_session_endpoint}?${new URLSearchParams(query)}`)
    const refused = await refusal(() => userinfo(as, party, tokens.access_token, claims.sub))
    return { came: came.href, refused }
  },
}

await run(flows)
