import { plain, type Recorded, renewable, standard } from "./Recorded.js"

const token = { access: "at-1", lasts: 3600 }
const renewed = { ...token, refresh: "rt-2" }

/** A token that says when it ends: an hour after it was given. */
const JWT = `eyJhbGciOiJSUzI1NiJ9.${btoa(JSON.stringify({ exp: Date.UTC(2026, 0, 1, 1) / 1000 })).replace(/=+$/, "")}.c2ln`

/** What each provider answers, by the id of its profile. */
export const answers: Readonly<Record<string, Recorded>> = {
  google: plain({
    first: { body: { ...renewable, scope: "openid", id_token: "id-1" } },
    refreshed: { body: standard },
    dead: { status: 400, body: { error: "invalid_grant", error_subtype: "invalid_rapt", error_description: "reauth" } },
    token: renewed
  }),
  "google-service-account": plain({ first: { body: standard }, token }),
  "microsoft-entra": plain({
    tenant: { tenant: "contoso.onmicrosoft.com" },
    first: { body: { ...renewable, scope: "User.Read", ext_expires_in: 3600 } },
    dead: {
      status: 400,
      body: { error: "invalid_grant", error_codes: [700082], error_description: "AADSTS700082: due to inactivity." }
    },
    token: renewed
  }),
  salesforce: plain({
    tenant: { domain: "acme.my.salesforce.com" },
    first: {
      body: {
        access_token: "at-1",
        refresh_token: "rt-2",
        token_type: "Bearer",
        instance_url: "https://acme.my.salesforce.com",
        issued_at: "1767225600000"
      }
    },
    token: { ...renewed, lasts: 7200, extra: { instance_url: "https://acme.my.salesforce.com" } }
  }),
  slack: plain({
    first: {
      body: {
        ...renewable,
        ...{ ok: true, token_type: "bot", expires_in: 43200, scope: "commands,chat:write" },
        ...{ bot_user_id: "U1", team: { id: "T1" } }
      }
    },
    dead: { body: { ok: false, error: "invalid_refresh_token" } },
    limited: { headers: { "retry-after": "7" }, body: { ok: false, error: "ratelimited" } },
    token: { ...renewed, lasts: 43200, extra: { "team.id": "T1", bot_user_id: "U1" } }
  }),
  "github-app": plain({
    first: {
      body: { ...renewable, token_type: "bearer", expires_in: 28800, refresh_token_expires_in: 15811200, scope: "" }
    },
    dead: { body: { error: "bad_refresh_token", error_description: "The refresh token is incorrect or expired." } },
    token: { ...renewed, lasts: 28800, refreshLasts: 15811200 }
  }),
  "github-installation": plain({
    tenant: { installation: "4711" },
    first: { status: 201, body: { token: "at-1", expires_at: "2026-01-01T01:00:00Z", permissions: {} } },
    dead: { status: 401, body: { message: "A JSON web token could not be decoded", status: "401" } },
    refusal: "ClientRejected",
    token
  }),
  atlassian: plain({
    first: { body: { ...renewable, scope: "offline_access read:jira-work" } },
    dead: { status: 403, body: { error: "unauthorized_client", error_description: "refresh_token is invalid" } },
    token: renewed
  }),
  notion: plain({
    first: { body: { access_token: "at-1", token_type: "bearer", refresh_token: "rt-2", workspace_id: "w-1" } },
    token: { ...renewed, extra: { workspace_id: "w-1" } }
  }),
  zoom: plain({
    first: { body: { ...renewable, token_type: "bearer", scope: "user:read", api_url: "https://api.zoom.us" } },
    token: { ...renewed, extra: { api_url: "https://api.zoom.us" } }
  }),
  "zoom-server": plain({
    tenant: { account: "Ab_1-2" },
    first: { body: { ...standard, token_type: "bearer", api_url: "https://api.zoom.us" } },
    dead: { status: 400, body: { reason: "Invalid client_id or client_secret", error: "invalid_client" } },
    refusal: "ClientRejected",
    token: { ...token, extra: { api_url: "https://api.zoom.us" } }
  }),
  zoho: plain({
    tenant: { region: "eu" },
    first: { body: { ...renewable, api_domain: "https://www.zohoapis.eu" } },
    refreshed: { body: { ...standard, api_domain: "https://www.zohoapis.eu" } },
    dead: { body: { error: "invalid_code" } },
    limited: { body: { error: "Access Denied", error_description: "too many requests continuously" } },
    token: { ...renewed, type: "Zoho-oauthtoken", extra: { api_domain: "https://www.zohoapis.eu" } }
  }),
  xero: plain({
    first: { body: { ...renewable, expires_in: 1800, id_token: "id-1", scope: "offline_access" } },
    token: { ...renewed, lasts: 1800 }
  }),
  quickbooks: plain({
    first: { body: { ...renewable, token_type: "bearer", x_refresh_token_expires_in: 8726400 } },
    token: { ...renewed, refreshLasts: 8726400 }
  }),
  shopify: plain({
    tenant: { shop: "acme" },
    first: {
      body: { ...renewable, token_type: undefined, expires_in: 3599, refresh_token_expires_in: 7775999, scope: "read" }
    },
    refreshed: { body: { access_token: "at-1" } },
    token: { ...renewed, lasts: 3599, refreshLasts: 7775999 },
    again: { lasts: 3600 }
  }),
  figma: plain({
    first: { body: { ...renewable, expires_in: 7776000, user_id: "1" } },
    refreshed: { body: { ...standard, expires_in: 7776000 } },
    token: { ...renewed, lasts: 7776000 }
  }),
  tiktok: plain({
    first: { body: { ...renewable, expires_in: 7200, refresh_expires_in: 15552000, open_id: "o-1", scope: "a,b" } },
    dead: { body: { error: "invalid_grant", error_description: "Refresh token is invalid.", log_id: "1" } },
    token: { ...renewed, lasts: 7200, refreshLasts: 15552000, extra: { open_id: "o-1" } }
  }),
  withings: plain({
    first: { body: { status: 0, body: { ...renewable, userid: "7", expires_in: 10800, scope: "user.metrics" } } },
    dead: { body: { status: 401, body: {}, error: "XRequestID: invalid refresh_token" } },
    limited: { body: { status: 601, body: {}, error: "Too Many Requests" } },
    token: { ...renewed, lasts: 10800, extra: { "body.userid": "7" } }
  }),
  gitlab: plain({
    first: { body: { ...renewable, expires_in: 7200, created_at: 1767225600 } },
    token: { ...renewed, lasts: 7200 }
  }),
  bitbucket: plain({
    first: { body: { ...renewable, expires_in: 7200, scopes: "account repository", state: "s" } },
    token: { ...renewed, lasts: 7200, scopes: ["account", "repository"] }
  }),
  hubspot: plain({
    first: { body: { ...renewable, token_type: "bearer", expires_in: 1800 } },
    dead: {
      status: 400,
      body: { status: "BAD_REFRESH_TOKEN", error: "invalid_grant", message: "missing or invalid refresh token" }
    },
    token: { ...renewed, lasts: 1800 }
  }),
  "stripe-apps": plain({
    first: {
      body: {
        access_token: "at-1",
        refresh_token: "rt-2",
        token_type: "bearer",
        livemode: true,
        stripe_user_id: "acct_1"
      }
    },
    token: { ...renewed, extra: { stripe_user_id: "acct_1", livemode: true } }
  }),
  square: plain({
    first: {
      body: {
        access_token: "at-1",
        token_type: "bearer",
        refresh_token: "rt-2",
        expires_at: "2026-01-31T00:00:00Z",
        merchant_id: "M1"
      }
    },
    token: { ...renewed, lasts: 2592000, extra: { merchant_id: "M1" } }
  }),
  paypal: plain({
    first: { body: { ...standard, expires_in: 32400, app_id: "APP-1", nonce: "n" } },
    dead: { status: 401, body: { error: "invalid_client", error_description: "Client Authentication failed" } },
    refusal: "ClientRejected",
    token: { ...token, lasts: 32400 }
  }),
  linkedin: plain({
    first: {
      body: { access_token: "at-1", expires_in: 5184000, refresh_token: "rt-2", refresh_token_expires_in: 31536000 }
    },
    token: { ...renewed, lasts: 5184000, refreshLasts: 31536000 }
  }),
  facebook: plain({
    first: { body: { ...standard, token_type: "bearer", expires_in: 5183944 } },
    refreshed: { headers: { "content-type": "text/plain" }, body: "access_token=at-1&expires=5183999" },
    dead: {
      status: 400,
      body: {
        error: { message: "Error validating access token", type: "OAuthException", code: 190, error_subcode: 463 }
      }
    },
    token: { ...token, lasts: 5183944 },
    again: { lasts: 5183999 }
  }),
  instagram: plain({
    first: {
      body: { ...standard, token_type: "bearer", expires_in: 5183944, permissions: "instagram_business_basic" }
    },
    dead: {
      status: 400,
      body: { error: { message: "The access token has ended", type: "OAuthException", code: 190 } }
    },
    token: { ...token, lasts: 5183944 }
  }),
  threads: plain({
    first: { body: { ...standard, token_type: "bearer", expires_in: 5183944 } },
    dead: {
      status: 400,
      body: { error: { message: "The access token has ended", type: "OAuthException", code: 190 } }
    },
    token: { ...token, lasts: 5183944 }
  }),
  twitter: plain({
    first: { body: { ...renewable, token_type: "bearer", expires_in: 7200, scope: "tweet.read offline.access" } },
    dead: {
      status: 400,
      body: { error: "invalid_request", error_description: "Value passed for the token was invalid." }
    },
    token: { ...renewed, lasts: 7200 }
  }),
  pinterest: plain({
    first: {
      body: {
        ...renewable,
        token_type: "bearer",
        expires_in: 2592000,
        refresh_token_expires_in: 5184000,
        response_type: "x"
      }
    },
    token: { ...renewed, lasts: 2592000, refreshLasts: 5184000 }
  }),
  reddit: plain({
    first: { body: { ...renewable, token_type: "bearer", expires_in: 86400, scope: "*" } },
    token: { ...renewed, lasts: 86400 }
  }),
  spotify: plain({
    first: { body: { ...renewable, scope: "user-read-email" } },
    refreshed: { body: standard },
    dead: { status: 400, body: { error: "invalid_grant", error_description: "Refresh token revoked" } },
    token: renewed
  }),
  twitch: plain({
    first: { body: { ...renewable, token_type: "bearer", expires_in: 14000, scope: ["chat:read", "chat:edit"] } },
    dead: { status: 400, body: { error: "Bad Request", status: 400, message: "Invalid refresh token" } },
    token: { ...renewed, lasts: 14000 }
  }),
  discord: plain({
    first: { body: { ...renewable, expires_in: 604800, scope: "identify" } },
    token: { ...renewed, lasts: 604800 }
  }),
  dropbox: plain({
    first: { body: { ...renewable, token_type: "bearer", expires_in: 14400, uid: "1", account_id: "dbid:1" } },
    refreshed: { body: { ...standard, token_type: "bearer", expires_in: 14400 } },
    token: { ...renewed, lasts: 14400 }
  }),
  box: plain({
    first: { body: { ...renewable, token_type: "bearer", expires_in: 4169, restricted_to: [] } },
    token: { ...renewed, lasts: 4169 }
  }),
  airtable: plain({
    first: { body: { ...renewable, refresh_expires_in: 5184000, scope: "data.records:read" } },
    token: { ...renewed, refreshLasts: 5184000 }
  }),
  asana: plain({
    first: { body: { ...renewable, token_type: "bearer", data: { id: 1, gid: "1" } } },
    refreshed: { body: { ...standard, token_type: "bearer" } },
    token: renewed
  }),
  linear: plain({
    first: { body: { ...renewable, expires_in: 86399, scope: "read write" } },
    token: { ...renewed, lasts: 86399 }
  }),
  pipedrive: plain({
    first: { body: { ...renewable, api_domain: "https://acme.pipedrive.com", scope: "base" } },
    token: { ...renewed, extra: { api_domain: "https://acme.pipedrive.com" } }
  }),
  zendesk: plain({
    tenant: { subdomain: "acme" },
    first: { body: { ...renewable, token_type: "bearer", refresh_token_expires_in: 2592000, scope: "read" } },
    token: { ...renewed, refreshLasts: 2592000 }
  }),
  fitbit: plain({
    first: { body: { ...renewable, expires_in: 28800, user_id: "26F", scope: "sleep" } },
    dead: {
      status: 400,
      body: { success: false, errors: [{ errorType: "invalid_grant", message: "Refresh token invalid" }] }
    },
    token: { ...renewed, lasts: 28800, extra: { user_id: "26F" } }
  }),
  strava: plain({
    first: { body: { ...renewable, expires_in: 21600, expires_at: 1767247200, athlete: { id: 1 } } },
    dead: { status: 400, body: { error: "invalid_grant" } },
    token: { ...renewed, lasts: 21600 }
  }),
  calendly: plain({
    first: {
      body: { ...renewable, expires_in: 7200, owner: "https://api.calendly.com/users/1", created_at: 1767225600 }
    },
    token: { ...renewed, lasts: 7200, extra: { owner: "https://api.calendly.com/users/1" } }
  }),
  docusign: plain({
    tenant: { environment: "account-d" },
    first: { body: { ...renewable, expires_in: 28800 } },
    token: { ...renewed, lasts: 28800 }
  }),
  "amazon-selling-partner": plain({ first: { body: { ...renewable, token_type: "bearer" } }, token: renewed }),
  ebay: plain({
    first: {
      body: { ...renewable, token_type: "User Access Token", expires_in: 7200, refresh_token_expires_in: 47304000 }
    },
    refreshed: { body: { ...standard, token_type: "User Access Token", expires_in: 7200 } },
    token: { ...renewed, lasts: 7200, refreshLasts: 47304000 }
  }),
  "exact-online": plain({
    tenant: { country: "co.uk" },
    first: { body: { ...renewable, token_type: "bearer", expires_in: "600" } },
    dead: { status: 400, body: { error: "invalid_request", error_description: "Refresh token is invalid" } },
    limited: { status: 401, body: { error: "Rate limit exceeded: access_token not expired" } },
    token: { ...renewed, lasts: 600 }
  }),
  okta: plain({
    tenant: { domain: "acme.okta.com", server: "default" },
    first: { body: { ...renewable, scope: "offline_access", id_token: "id-1" } },
    dead: {
      status: 400,
      body: { error: "invalid_grant", error_description: "The refresh token is invalid or expired." }
    },
    token: renewed
  }),
  auth0: plain({
    tenant: { domain: "acme.eu.auth0.com" },
    first: { body: { ...renewable, expires_in: 86400 } },
    dead: { status: 403, body: { error: "invalid_grant", error_description: "Unknown or invalid refresh token." } },
    token: { ...renewed, lasts: 86400 }
  }),
  cognito: plain({
    tenant: { domain: "acme.auth.eu-west-1.amazoncognito.com" },
    first: { body: { ...renewable, id_token: "id-1" } },
    refreshed: { body: { ...standard, id_token: "id-1" } },
    token: renewed
  }),
  keycloak: plain({
    tenant: { host: "sso.example.com", realm: "acme" },
    first: { body: { ...renewable, refresh_expires_in: 1800, "not-before-policy": 0, session_state: "s" } },
    refreshed: { body: { ...renewable, refresh_expires_in: 0 } },
    dead: { status: 400, body: { error: "invalid_grant", error_description: "Token is not active" } },
    token: { ...renewed, refreshLasts: 1800 },
    again: { refresh: "rt-2" }
  }),
  coinbase: plain({
    first: { body: { ...renewable, token_type: "bearer", scope: "wallet:user:read" } },
    token: renewed
  }),
  miro: plain({
    first: { body: { ...renewable, token_type: "bearer", scope: "boards:read", team_id: "t", user_id: "u" } },
    token: { ...renewed, extra: { team_id: "t", user_id: "u" } }
  }),
  wise: plain({
    first: { body: { ...standard, token_type: "bearer", expires_in: 43199, scope: "transfers" } },
    token: { ...token, lasts: 43199 }
  }),
  ringcentral: plain({
    first: { body: { ...renewable, token_type: "bearer", refresh_token_expires_in: 604800, owner_id: "1" } },
    dead: { status: 400, body: { error: "invalid_grant", error_description: "Token not found", errors: [] } },
    token: { ...renewed, refreshLasts: 604800 }
  }),
  jobber: plain({
    first: { body: { access_token: JWT, refresh_token: "rt-2" } },
    token: { access: JWT, refresh: "rt-2", lasts: 3600 }
  }),
  netsuite: plain({
    tenant: { account: "1234567-sb1" },
    first: { body: { ...renewable, token_type: "bearer", expires_in: "3600" } },
    token: renewed
  }),
  tableau: plain({
    tenant: { host: "dub01.online.tableau.com", version: "3.24", site: "acme", name: "robot" },
    first: {
      body: {
        credentials: { site: { id: "9a8b", contentUrl: "acme" }, token: "at-1", estimatedTimeToExpiration: "1:00:00" }
      }
    },
    dead: {
      status: 401,
      body: { error: { summary: "Signin Error", detail: "The personal access token is invalid.", code: "401001" } }
    },
    refusal: "ClientRejected",
    token: { ...token, extra: { "credentials.site.id": "9a8b" } }
  }),
  blackbaud: plain({
    first: { body: { ...renewable, environment_id: "p-1", environment_name: "acme" } },
    token: { ...renewed, extra: { environment_id: "p-1" } }
  })
}
