"""The auth service: an OpenID provider and OAuth 2.1 authorization server; `app` builds it."""
