import { Expiry, TokenEndpoint } from "@evertoken/core"

/** One answer as a provider gives it, what its source declares, and what must come of it. */
export interface Recorded {
  readonly name: string
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Readonly<Record<string, unknown>>
  /** What the provider table says to declare. Where it is data alone, OAuth2.refreshToken reads it as well. */
  readonly declared?: TokenEndpoint.TokenEndpointOptions
  readonly token?: Token
  readonly error?: Readonly<Record<string, unknown>>
}

interface Token {
  readonly access: string
  readonly refresh?: string
  /** Seconds. */
  readonly lasts?: number
  /** Epoch milliseconds. */
  readonly ends?: number
  readonly refreshLasts?: number
  readonly type?: string
  readonly scopes?: ReadonlyArray<string>
  readonly extra?: Readonly<Record<string, unknown>>
}

/** When every answer was given: 2026-01-01T00:00:00Z. */
export const now = Date.UTC(2026, 0, 1)

const refused = (code: string, status = 400) => ({ _tag: "GrantRejected", code, status })
const client = (code: string, status = 400, detail?: string) => ({
  ...{ _tag: "ClientRejected", code, status },
  ...(detail === undefined ? {} : { detail })
})
const passing = (reason: string, status: number, more = {}) => ({ _tag: "TokenEndpointError", reason, status, ...more })

/** A JWT whose `exp` is two hours on. */
const jwt = `eyJhbGciOiJSUzI1NiJ9.${btoa(JSON.stringify({ exp: now / 1000 + 7200 })).replace(/=+$/, "")}.c2ln`
const long = "CO".repeat(200)

const standard = { access_token: "at", token_type: "Bearer", expires_in: 3600 }
const slack = {
  errorCode: TokenEndpoint.failsUnless("ok", [true], "error"),
  errors: { invalid_refresh_token: "refused", ratelimited: "throttled" }
} as const
const github = { errors: { bad_refresh_token: "refused", incorrect_client_credentials: "client" } } as const
const tiktok = {
  errorCode: TokenEndpoint.failsUnless("code", [0]),
  errors: { "40105": "refused", "40100": "throttled" }
} as const
const zoho = {
  tokenType: "Zoho-oauthtoken",
  keep: ["api_domain"],
  errors: { "Access Denied": "throttled", invalid_code: "refused" }
} as const
const twitch = {
  errorCode: TokenEndpoint.failsUnless("message", []),
  errors: { "Invalid refresh token": "refused" }
} as const
const fitbit = {
  errorCode: TokenEndpoint.failsUnless("success", [true], "errors.0.errorType"),
  keep: ["user_id"]
} as const
const coros = {
  extendsAccessToken: true,
  expiry: Expiry.fixed("30 days"),
  errorCode: TokenEndpoint.failsUnless("result", ["0000"])
} as const
const exact = {
  errors: { invalid_request: "refused", "Rate limit exceeded: access_token not expired": "throttled" }
} as const

export const corpus: ReadonlyArray<Recorded> = [
  // What standard servers answer.
  {
    name: "Google",
    body: { access_token: "ya29.a0", expires_in: 3599, scope: "openid email", token_type: "Bearer", id_token: jwt },
    token: { access: "ya29.a0", lasts: 3599, scopes: ["openid", "email"] }
  },
  {
    name: "Google, testing",
    body: { ...standard, refresh_token: "1//0g", refresh_token_expires_in: 604799 },
    token: { access: "at", lasts: 3600, refresh: "1//0g", refreshLasts: 604799 }
  },
  {
    name: "Entra v2",
    body: {
      token_type: "Bearer",
      scope: "User.Read Mail.Read",
      expires_in: 3599,
      ext_expires_in: 3599,
      access_token: "EwBw",
      refresh_token: "M.C1"
    },
    token: { access: "EwBw", refresh: "M.C1", lasts: 3599, scopes: ["User.Read", "Mail.Read"] }
  },
  {
    name: "Entra v1",
    body: { token_type: "Bearer", expires_in: "3599", expires_on: "1767229199", access_token: "eyJ0" },
    token: { access: "eyJ0", lasts: 3599 }
  },
  {
    name: "Entra v1, by expires_on",
    body: { expires_on: "1767229199", access_token: "eyJ0" },
    declared: { expiry: Expiry.epochSeconds("expires_on") },
    token: { access: "eyJ0", ends: 1767229199000 }
  },
  {
    name: "Xero",
    body: { ...standard, expires_in: 1800, refresh_token: "rt2" },
    token: { access: "at", lasts: 1800, refresh: "rt2" }
  },
  {
    name: "QuickBooks",
    body: {
      x_refresh_token_expires_in: 8726400,
      refresh_token: "AB11",
      access_token: "eyJl",
      token_type: "bearer",
      expires_in: 3600
    },
    token: { access: "eyJl", refresh: "AB11", lasts: 3600, refreshLasts: 8726400 }
  },
  {
    name: "HubSpot",
    body: { access_token: long, token_type: "bearer", expires_in: 1800, refresh_token: "rt" },
    token: { access: long, lasts: 1800, refresh: "rt" }
  },
  {
    name: "Atlassian",
    body: { ...standard, scope: "offline_access read:jira-work", refresh_token: "rt2" },
    token: { access: "at", lasts: 3600, refresh: "rt2", scopes: ["offline_access", "read:jira-work"] }
  },
  {
    name: "GitLab",
    body: { ...standard, expires_in: 7200, refresh_token: "rt2", created_at: 1767225600 },
    token: { access: "at", lasts: 7200, refresh: "rt2" }
  },
  {
    name: "Box",
    body: { access_token: "at", expires_in: 4169, restricted_to: [], refresh_token: "rt2", token_type: "bearer" },
    token: { access: "at", lasts: 4169, refresh: "rt2" }
  },
  {
    name: "X",
    body: {
      token_type: "bearer",
      expires_in: 7200,
      access_token: "at",
      scope: "tweet.read offline.access",
      refresh_token: "rt2"
    },
    token: { access: "at", lasts: 7200, refresh: "rt2", scopes: ["tweet.read", "offline.access"] }
  },
  {
    name: "Zoom",
    body: {
      access_token: "at",
      token_type: "bearer",
      refresh_token: "rt2",
      expires_in: 3599,
      scope: "user:read",
      api_url: "https://api.zoom.us"
    },
    declared: { keep: ["api_url"] },
    token: {
      access: "at",
      lasts: 3599,
      refresh: "rt2",
      scopes: ["user:read"],
      extra: { api_url: "https://api.zoom.us" }
    }
  },
  {
    name: "Airtable",
    body: { ...standard, refresh_token: "rt2", refresh_expires_in: 5184000 },
    token: { access: "at", lasts: 3600, refresh: "rt2", refreshLasts: 5184000 }
  },
  {
    name: "Okta",
    body: { ...standard, scope: "offline_access", refresh_token: "rt2", id_token: jwt },
    token: { access: "at", lasts: 3600, refresh: "rt2", scopes: ["offline_access"] }
  },
  {
    name: "Cognito without rotation",
    body: { id_token: jwt, access_token: "at", expires_in: 3600, token_type: "Bearer" },
    token: { access: "at", lasts: 3600 }
  },
  {
    name: "Auth0",
    body: { ...standard, expires_in: 86400, refresh_token: "v1.r" },
    token: { access: "at", lasts: 86400, refresh: "v1.r" }
  },
  {
    name: "Keycloak",
    body: { ...standard, refresh_expires_in: 1800, refresh_token: "rt2", "not-before-policy": 0, session_state: "s" },
    token: { access: "at", lasts: 3600, refresh: "rt2", refreshLasts: 1800 }
  },
  {
    name: "Keycloak, offline",
    body: { ...standard, refresh_expires_in: 0, refresh_token: "rt2" },
    token: { access: "at", lasts: 3600, refresh: "rt2" }
  },
  {
    name: "Blackbaud",
    body: { ...standard, refresh_token: "rt2", environment_id: "p-1" },
    declared: { keep: ["environment_id"] },
    token: { access: "at", lasts: 3600, refresh: "rt2", extra: { environment_id: "p-1" } }
  },
  {
    name: "Pipedrive",
    body: { ...standard, refresh_token: "rt2", api_domain: "https://acme.pipedrive.com" },
    declared: { keep: ["api_domain"] },
    token: { access: "at", lasts: 3600, refresh: "rt2", extra: { api_domain: "https://acme.pipedrive.com" } }
  },
  {
    name: "Twitch",
    body: {
      access_token: "at",
      refresh_token: "rt2",
      scope: ["chat:read", "chat:edit"],
      token_type: "bearer",
      expires_in: 14000
    },
    token: { access: "at", refresh: "rt2", lasts: 14000, scopes: ["chat:read", "chat:edit"] }
  },
  {
    name: "Fitbit",
    body: {
      access_token: "at",
      expires_in: 28800,
      refresh_token: "rt2",
      scope: "sleep",
      token_type: "Bearer",
      user_id: "26F"
    },
    declared: fitbit,
    token: { access: "at", lasts: 28800, refresh: "rt2", scopes: ["sleep"], extra: { user_id: "26F" } }
  },
  {
    name: "a DPoP-bound token",
    body: { ...standard, token_type: "dpop" },
    token: { access: "at", lasts: 3600, type: "DPoP" }
  },

  // What deviates in success.
  {
    name: "Salesforce, undeclared",
    body: {
      access_token: "00D!AQ",
      signature: "s",
      instance_url: "https://acme.my.salesforce.com",
      issued_at: "1767225600000",
      token_type: "Bearer"
    },
    token: { access: "00D!AQ" }
  },
  {
    name: "Salesforce",
    body: {
      access_token: "00D!AQ",
      instance_url: "https://acme.my.salesforce.com",
      issued_at: "1767225600000",
      token_type: "Bearer"
    },
    declared: { expiry: Expiry.fixed("2 hours"), keep: ["instance_url"] },
    token: { access: "00D!AQ", lasts: 7200, extra: { instance_url: "https://acme.my.salesforce.com" } }
  },
  {
    name: "Zoho",
    body: { access_token: "1000.x", api_domain: "https://www.zohoapis.eu", token_type: "Bearer", expires_in: 3600 },
    declared: zoho,
    token: { access: "1000.x", lasts: 3600, type: "Zoho-oauthtoken", extra: { api_domain: "https://www.zohoapis.eu" } }
  },
  {
    name: "Slack, bot",
    body: {
      ok: true,
      access_token: "xoxe.xoxb-1",
      expires_in: 43200,
      refresh_token: "xoxe-2",
      token_type: "bot",
      scope: "commands,incoming-webhook"
    },
    declared: { ...slack, tokenType: "Bearer" },
    token: { access: "xoxe.xoxb-1", lasts: 43200, refresh: "xoxe-2", scopes: ["commands", "incoming-webhook"] }
  },
  {
    name: "Slack, user",
    body: {
      ok: true,
      authed_user: {
        id: "U1",
        access_token: "xoxe.xoxp-1",
        expires_in: 43200,
        refresh_token: "xoxe-3",
        token_type: "user",
        scope: "search:read"
      }
    },
    declared: {
      ...slack,
      tokenType: "Bearer",
      fields: {
        accessToken: "authed_user.access_token",
        refreshToken: "authed_user.refresh_token",
        scope: "authed_user.scope"
      },
      expiry: Expiry.seconds("authed_user.expires_in")
    },
    token: { access: "xoxe.xoxp-1", lasts: 43200, refresh: "xoxe-3", scopes: ["search:read"] }
  },
  {
    name: "GitHub App, form-encoded",
    headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: "access_token=ghu_1&expires_in=28800&refresh_token=ghr_2&refresh_token_expires_in=15811200&scope=&token_type=bearer",
    token: { access: "ghu_1", lasts: 28800, refresh: "ghr_2", refreshLasts: 15811200 }
  },
  {
    name: "GitHub, expiry off",
    body: { access_token: "ghu_1", scope: "repo,gist", token_type: "bearer" },
    token: { access: "ghu_1", scopes: ["repo", "gist"] }
  },
  {
    name: "Stripe Apps",
    body: {
      access_token: "sk_live",
      livemode: true,
      refresh_token: "rt_2",
      scope: "stripe_apps",
      stripe_user_id: "acct_1",
      token_type: "bearer"
    },
    declared: { expiry: Expiry.fixed("1 hour"), keep: ["stripe_user_id", "livemode"] },
    token: {
      access: "sk_live",
      lasts: 3600,
      refresh: "rt_2",
      scopes: ["stripe_apps"],
      extra: { stripe_user_id: "acct_1", livemode: true }
    }
  },
  {
    name: "Shopify",
    body: {
      access_token: "shpat_1",
      expires_in: 3599,
      refresh_token: "shprt_2",
      refresh_token_expires_in: 7775999,
      scope: "write_orders,read_customers"
    },
    token: {
      access: "shpat_1",
      lasts: 3599,
      refresh: "shprt_2",
      refreshLasts: 7775999,
      scopes: ["write_orders", "read_customers"]
    }
  },
  {
    name: "Shopify without expires_in",
    body: { access_token: "shpat_1" },
    declared: { expiry: Expiry.first(Expiry.seconds("expires_in"), Expiry.fixed("1 hour")) },
    token: { access: "shpat_1", lasts: 3600 }
  },
  {
    name: "LinkedIn",
    body: {
      access_token: "AQX",
      expires_in: 5184000,
      refresh_token: "AQW",
      refresh_token_expires_in: 31536000,
      scope: "r_basicprofile"
    },
    token: { access: "AQX", lasts: 5184000, refresh: "AQW", refreshLasts: 31536000, scopes: ["r_basicprofile"] }
  },
  {
    name: "Exact Online",
    body: { access_token: "stamp", token_type: "bearer", expires_in: "600", refresh_token: "rt2" },
    token: { access: "stamp", lasts: 600, refresh: "rt2" }
  },
  {
    name: "Zendesk, lifetime not asked for",
    body: { access_token: "at", refresh_token: "rt2", token_type: "bearer", scope: "read write" },
    token: { access: "at", refresh: "rt2", scopes: ["read", "write"] }
  },
  {
    name: "Notion",
    body: { access_token: "ntn_1", token_type: "bearer", refresh_token: "nrt_2", bot_id: "b", workspace_id: "w" },
    declared: { expiry: Expiry.fixed("1 hour"), keep: ["workspace_id"] },
    token: { access: "ntn_1", lasts: 3600, refresh: "nrt_2", extra: { workspace_id: "w" } }
  },
  {
    name: "Facebook",
    body: { access_token: "EAAB", token_type: "bearer", expires_in: 5183944 },
    token: { access: "EAAB", lasts: 5183944 }
  },
  {
    name: "Facebook, of old",
    headers: { "content-type": "text/plain" },
    body: "access_token=EAAB&expires=5183999",
    declared: { expiry: Expiry.first(Expiry.seconds("expires_in"), Expiry.seconds("expires")) },
    token: { access: "EAAB", lasts: 5183999 }
  },
  {
    name: "Instagram",
    body: { access_token: "IGQ", token_type: "bearer", expires_in: 5183944, permissions: "instagram_business_basic" },
    token: { access: "IGQ", lasts: 5183944 }
  },
  {
    name: "TikTok",
    body: {
      access_token: "act.1",
      expires_in: 86400,
      open_id: "o",
      refresh_expires_in: 31536000,
      refresh_token: "rft.2",
      scope: "user.info.basic,video.list",
      token_type: "Bearer"
    },
    declared: { keep: ["open_id"] },
    token: {
      access: "act.1",
      lasts: 86400,
      refresh: "rft.2",
      refreshLasts: 31536000,
      scopes: ["user.info.basic", "video.list"],
      extra: { open_id: "o" }
    }
  },
  {
    name: "TikTok for Business",
    body: { code: 0, message: "OK", data: { access_token: "x", advertiser_ids: ["1"], scope: [4] } },
    declared: {
      ...tiktok,
      fields: { accessToken: "data.access_token", scope: "data.scopes" },
      keep: ["data.advertiser_ids"]
    },
    token: { access: "x", extra: { "data.advertiser_ids": ["1"] } }
  },
  {
    name: "Figma",
    body: { access_token: "figu", token_type: "bearer", expires_in: 7776000 },
    token: { access: "figu", lasts: 7776000 }
  },
  {
    name: "Sentry",
    status: 201,
    body: { token: "sn", refreshToken: "sr", expiresAt: "2026-01-01T08:00:00.000Z", scopes: ["org:read"] },
    declared: {
      fields: { accessToken: "token", refreshToken: "refreshToken", scope: "scopes" },
      expiry: Expiry.isoDate("expiresAt")
    },
    token: { access: "sn", refresh: "sr", ends: now + 28_800_000, scopes: ["org:read"] }
  },
  { name: "Coros", body: { result: "0000", message: "OK" }, declared: coros, token: { access: "old", lasts: 2592000 } },
  {
    name: "Jobber, a JWT",
    body: { access_token: jwt, refresh_token: "rt2" },
    declared: { expiry: Expiry.jwt() },
    token: { access: jwt, ends: now + 7_200_000, refresh: "rt2" }
  },
  {
    name: "Workday",
    body: { access_token: "at", token_type: "Bearer", refresh_token: "rt" },
    declared: { expiry: Expiry.fixed("1 hour") },
    token: { access: "at", lasts: 3600, refresh: "rt" }
  },
  {
    name: "Tableau",
    body: {
      credentials: { site: { id: "9a8b", contentUrl: "m" }, token: "12ab34|cd", estimatedTimeToExpiration: "177:05:38" }
    },
    declared: {
      fields: { accessToken: "credentials.token" },
      expiry: Expiry.clock("credentials.estimatedTimeToExpiration", "H:MM:SS"),
      keep: ["credentials.site.id"]
    },
    token: { access: "12ab34|cd", lasts: 177 * 3600 + 5 * 60 + 38, extra: { "credentials.site.id": "9a8b" } }
  },
  {
    name: "a clock of days",
    body: { access_token: "at", ttl: "1:02:03:04" },
    declared: { expiry: Expiry.clock("ttl") },
    token: { access: "at", lasts: 93784 }
  },
  {
    name: "Fiserv",
    body: { access_token: "at", expires_in: 1799000 },
    declared: { expiry: Expiry.millis("expires_in") },
    token: { access: "at", lasts: 1799 }
  },
  {
    name: "NetDocuments",
    body: { access_token: "at", expires_in: "3600", token_type: "bearer" },
    token: { access: "at", lasts: 3600 }
  },
  {
    name: "NetSuite",
    body: { access_token: jwt, refresh_token: "rt", expires_in: "3600", token_type: "bearer" },
    token: { access: jwt, lasts: 3600, refresh: "rt" }
  },
  {
    name: "Strava",
    body: { token_type: "Bearer", access_token: "at", expires_at: 1767247200, expires_in: 21600, refresh_token: "rt" },
    declared: { expiry: Expiry.epochSeconds("expires_at") },
    token: { access: "at", ends: 1767247200000, refresh: "rt" }
  },
  {
    name: "an end in epoch milliseconds",
    body: { access_token: "at", expiry: 1767247200000 },
    declared: { expiry: Expiry.epochMillis("expiry") },
    token: { access: "at", ends: 1767247200000 }
  },
  {
    name: "an end by a clock that is an hour ahead",
    headers: { date: "Thu, 01 Jan 2026 01:00:00 GMT" },
    body: { access_token: "at", expires_at: 1767247200 },
    declared: { expiry: Expiry.epochSeconds("expires_at") },
    token: { access: "at", ends: 1767243600000 }
  },
  {
    name: "WorkOS",
    body: { user: { id: "u" }, access_token: jwt, refresh_token: "rt2" },
    declared: { expiry: Expiry.jwt() },
    token: { access: jwt, ends: now + 7_200_000, refresh: "rt2" }
  },
  {
    name: "Mailchimp, which never ends",
    body: { access_token: "at", expires_in: 0, scope: null },
    token: { access: "at" }
  },
  {
    name: "minutes",
    body: { access_token: "at", validFor: "20" },
    declared: { expiry: Expiry.minutes("validFor") },
    token: { access: "at", lasts: 1200 }
  },
  {
    name: "StackExchange, without a content type",
    body: "access_token=se(1)&expires=86399",
    declared: { expiry: Expiry.seconds("expires") },
    token: { access: "se(1)", lasts: 86399 }
  },
  {
    name: "JSON as text/plain",
    headers: { "content-type": "text/plain" },
    body: JSON.stringify(standard),
    token: { access: "at", lasts: 3600 }
  },
  {
    name: "JSON behind a byte order mark that Response leaves",
    body: `\uFEFF\uFEFF\uFEFF${JSON.stringify(standard)}`,
    token: { access: "at", lasts: 3600 }
  },
  {
    name: "a fraction of a second",
    body: { access_token: "at", expires_in: "3600.5" },
    token: { access: "at", lasts: 3600.5 }
  },
  { name: "a negative lifetime", body: { access_token: "at", expires_in: -1 }, token: { access: "at" } },
  { name: "a lifetime that is no number", body: { access_token: "at", expires_in: "soon" }, token: { access: "at" } },
  {
    name: "a lifetime of a thousand years",
    body: { access_token: "at", expires_in: 31_536_000_000 },
    token: { access: "at" }
  },
  { name: "an empty refresh token", body: { ...standard, refresh_token: "" }, token: { access: "at", lasts: 3600 } },
  {
    name: "a null refresh token and no error",
    body: { ...standard, refresh_token: null, error: null },
    token: { access: "at", lasts: 3600 }
  },

  // Errors of the grant.
  {
    name: "Google, revoked",
    status: 400,
    body: { error: "invalid_grant", error_description: "Token has been expired or revoked." },
    error: refused("invalid_grant")
  },
  {
    name: "Google, reauthentication",
    status: 400,
    body: {
      error: "invalid_grant",
      error_subtype: "invalid_rapt",
      error_description: "reauth related error (invalid_rapt)"
    },
    error: refused("invalid_grant")
  },
  {
    name: "Entra, idle for 90 days",
    status: 400,
    body: {
      error: "invalid_grant",
      error_description: "AADSTS700082: The refresh token has expired due to inactivity.",
      error_codes: [700082]
    },
    error: refused("invalid_grant")
  },
  {
    name: "Auth0, with 403",
    status: 403,
    body: { error: "invalid_grant", error_description: "Unknown or invalid refresh token." },
    error: refused("invalid_grant", 403)
  },
  {
    name: "Atlassian, with a client's code",
    status: 403,
    body: { error: "unauthorized_client", error_description: "refresh_token is invalid" },
    declared: { errors: { unauthorized_client: "refused" } },
    error: refused("unauthorized_client", 403)
  },
  {
    name: "Exact Online",
    status: 400,
    body: { error: "invalid_request", error_description: "The refresh token expired" },
    declared: exact,
    error: refused("invalid_request")
  },
  {
    name: "X",
    status: 400,
    body: { error: "invalid_request", error_description: "Value passed for the token was invalid." },
    declared: { errors: { invalid_request: "refused" } },
    error: refused("invalid_request")
  },
  {
    name: "GitHub, with 200",
    body: { error: "bad_refresh_token", error_description: "The refresh token passed is incorrect or expired." },
    declared: github,
    error: refused("bad_refresh_token", 200)
  },
  {
    name: "GitHub, form-encoded",
    body: "error=bad_refresh_token&error_description=The+refresh+token+passed+is+incorrect",
    declared: github,
    error: refused("bad_refresh_token", 200)
  },
  {
    name: "Slack, with 200",
    body: { ok: false, error: "invalid_refresh_token" },
    declared: slack,
    error: refused("invalid_refresh_token", 200)
  },
  { name: "Zoho, with 200", body: { error: "invalid_code" }, declared: zoho, error: refused("invalid_code", 200) },
  {
    name: "TikTok, with 200",
    body: { error: "invalid_grant", error_description: "Refresh token is invalid or expired.", log_id: "2022" },
    error: refused("invalid_grant", 200)
  },
  {
    name: "TikTok for Business",
    body: { code: 40105, message: "Access token is incorrect or has been revoked.", data: {} },
    declared: tiktok,
    error: refused("40105", 200)
  },
  {
    name: "Facebook",
    status: 400,
    body: {
      error: { message: "Error validating access token: Session has expired", type: "OAuthException", code: 190 }
    },
    declared: { errors: { "190": "refused" } },
    error: refused("190")
  },
  {
    name: "Twitch",
    status: 401,
    body: { status: 401, message: "Invalid refresh token" },
    declared: twitch,
    error: refused("Invalid refresh token", 401)
  },
  {
    name: "Fitbit",
    status: 400,
    body: { errors: [{ errorType: "invalid_grant", message: "Refresh token invalid" }], success: false },
    declared: fitbit,
    error: refused("invalid_grant")
  },
  {
    name: "Coros",
    body: { result: "1019", message: "token is invalid" },
    declared: { ...coros, errors: { "1019": "refused" } },
    error: refused("1019", 200)
  },
  {
    name: "an own backend's 401",
    status: 401,
    body: { message: "Unauthorized" },
    declared: { errors: { "401": "refused" } },
    error: refused("HTTP 401", 401)
  },
  {
    name: "a body that says ERROR with 200",
    body: { status: "ERROR", reason: "SESSION_ENDED" },
    declared: {
      errorCode: TokenEndpoint.failsUnless("status", ["OK"], "reason"),
      errors: { SESSION_ENDED: "refused" }
    },
    error: refused("SESSION_ENDED", 200)
  },

  // Errors of the registration.
  {
    name: "Entra, wrong secret",
    status: 401,
    body: { error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret provided." },
    error: client("invalid_client", 401)
  },
  { name: "a bare 401", status: 401, body: "", error: client("HTTP 401", 401) },
  {
    name: "unauthorized_client",
    status: 400,
    body: { error: "unauthorized_client" },
    error: client("unauthorized_client")
  },
  {
    name: "unsupported_grant_type",
    status: 400,
    body: { error: "unsupported_grant_type" },
    error: client("unsupported_grant_type")
  },
  { name: "invalid_scope", status: 400, body: { error: "invalid_scope" }, error: client("invalid_scope") },
  {
    name: "invalid_request, undeclared",
    status: 400,
    body: { error: "invalid_request" },
    error: client("invalid_request")
  },
  {
    name: "GitHub, with 200",
    body: { error: "incorrect_client_credentials" },
    declared: github,
    error: client("incorrect_client_credentials", 200)
  },

  // What passes.
  { name: "500", status: 500, body: "Internal Server Error", error: passing("unavailable", 500) },
  {
    name: "502 in HTML",
    status: 502,
    body: "<html><h1>502 Bad Gateway</h1></html>",
    error: passing("unavailable", 502)
  },
  {
    name: "503, try in 2 minutes",
    status: 503,
    headers: { "retry-after": "120" },
    body: "",
    error: passing("unavailable", 503, { retryAfter: 120_000 })
  },
  {
    name: "503, try at a date",
    status: 503,
    headers: { "retry-after": "Thu, 01 Jan 2026 00:05:00 GMT" },
    body: "",
    error: passing("unavailable", 503, { retryAfter: 300_000 })
  },
  {
    name: "503, try in a year",
    status: 503,
    headers: { "retry-after": "31536000" },
    body: "",
    error: passing("unavailable", 503, { retryAfter: 86_400_000 })
  },
  {
    name: "503, try in the past",
    status: 503,
    headers: { "retry-after": "Thu, 01 Jan 2015 00:05:00 GMT" },
    body: "",
    error: passing("unavailable", 503, { retryAfter: 0 })
  },
  {
    name: "503, try nonsense",
    status: 503,
    headers: { "retry-after": "later" },
    body: "",
    error: passing("unavailable", 503, { retryAfter: undefined })
  },
  {
    name: "429 without a body",
    status: 429,
    headers: { "retry-after": "30" },
    body: "",
    error: passing("throttled", 429, { retryAfter: 30_000 })
  },
  {
    name: "Slack, throttled",
    status: 429,
    headers: { "retry-after": "10" },
    body: { ok: false, error: "ratelimited" },
    declared: slack,
    error: passing("throttled", 429, { code: "ratelimited", retryAfter: 10_000 })
  },
  {
    name: "Zoho, throttled with 200",
    body: {
      error: "Access Denied",
      error_description: "You have made too many requests continuously. Please try again after some time."
    },
    declared: zoho,
    error: passing("throttled", 200, { code: "Access Denied" })
  },
  {
    name: "Exact Online, too early",
    status: 400,
    body: { error: "Rate limit exceeded: access_token not expired" },
    declared: exact,
    error: passing("throttled", 400)
  },
  {
    name: "slow_down",
    status: 400,
    body: { error: "slow_down" },
    error: passing("throttled", 400, { code: "slow_down" })
  },
  {
    name: "temporarily_unavailable",
    status: 400,
    body: { error: "temporarily_unavailable" },
    error: passing("unavailable", 400, { code: "temporarily_unavailable" })
  },
  {
    name: "server_error",
    status: 400,
    body: { error: "server_error" },
    error: passing("unavailable", 400, { code: "server_error" })
  },
  {
    name: "GitHub, undeclared",
    body: { error: "bad_refresh_token" },
    error: passing("unavailable", 200, { code: "bad_refresh_token" })
  },
  {
    name: "a code that objects have by themselves",
    status: 400,
    body: { error: "constructor" },
    error: passing("unavailable", 400, { code: "constructor" })
  },
  {
    name: "Slack, inside",
    body: { ok: false, error: "internal_error" },
    declared: slack,
    error: passing("unavailable", 200, { code: "internal_error" })
  },
  {
    name: "ok false and no more",
    body: { ok: false },
    declared: slack,
    error: passing("unavailable", 200, { code: "false" })
  },
  {
    name: "a firewall's 403",
    status: 403,
    body: "<html>Access denied</html>",
    error: passing("unavailable", 403, { code: undefined })
  },
  {
    name: "404",
    status: 404,
    body: "Not found",
    error: client("HTTP 404", 404, "nothing is there, at api.example.com/token")
  },
  {
    name: "a page for people",
    status: 404,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: "<h1>Not found</h1>",
    error: client("HTTP 404", 404, "nothing is there, an HTML page, at api.example.com/token")
  },
  {
    name: "405",
    status: 405,
    body: "",
    error: client("HTTP 405", 405, "the method is not allowed, at api.example.com/token")
  },
  {
    name: "415",
    status: 415,
    body: { message: "Unsupported Media Type" },
    error: client("HTTP 415", 415, "Unsupported Media Type, at api.example.com/token")
  },
  {
    name: "a redirect",
    status: 302,
    headers: { location: "https://login.example.com" },
    body: "",
    error: client("HTTP 302", 302, "a redirect to login.example.com/, not followed, at api.example.com/token")
  },

  // What may have taken effect, its answer lost.
  {
    name: "HSBC, a 504 that burns the refresh token",
    status: 504,
    body: "Gateway Timeout",
    error: passing("timeout", 504)
  },
  {
    name: "a 502 that is declared lost",
    status: 502,
    body: "",
    declared: { errors: { "502": "lost" } },
    error: passing("timeout", 502)
  },
  { name: "200 with nothing", body: "", error: passing("unreadable", 200) },
  { name: "200 with HTML", body: "<!doctype html><title>Sign in</title>", error: passing("unreadable", 200) },
  { name: "200 cut short", body: '{"access_token":"at","refresh_tok', error: passing("unreadable", 200) },
  { name: "200 with an empty token", body: { ...standard, access_token: "" }, error: passing("unreadable", 200) },
  { name: "200 with null for a token", body: { ...standard, access_token: null }, error: passing("unreadable", 200) },
  {
    name: "200 with an object for a token",
    body: { ...standard, access_token: { value: "at" } },
    error: passing("unreadable", 200)
  },
  {
    name: "200 with a token that no header can carry",
    body: { ...standard, access_token: "a\r\nb" },
    error: passing("unreadable", 200)
  },
  { name: "200 with a list", body: "[]", error: passing("unreadable", 200) },
  { name: "204", status: 204, body: "", error: passing("unreadable", 204) }
]
