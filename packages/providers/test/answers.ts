import { plain, type Recorded, renewable, standard } from "./Recorded.js"

const token = { access: "at-1", lasts: 3600 }
const renewed = { ...token, refresh: "rt-2" }

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
  })
}
