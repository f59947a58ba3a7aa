import { existsSync, readFileSync, writeFileSync } from "node:fs"

/** The login in a JSON file, as many scripts have it. */
export class FileProvider {
  redirectUrl = "http://127.0.0.1:8090/callback"
  clientMetadata = {
    client_name: "My script",
    redirect_uris: [this.redirectUrl],
    token_endpoint_auth_method: "none",
    application_type: "native",
    grant_types: ["authorization_code", "refresh_token"]
  }
  constructor(path) {
    this.path = path
    this.kept = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {}
  }
  keep(change) {
    this.kept = { ...this.kept, ...change }
    writeFileSync(this.path, JSON.stringify(this.kept))
  }
  clientInformation = () => this.kept.client
  saveClientInformation = (client) => this.keep({ client })
  tokens = () => this.kept.tokens
  saveTokens = (tokens) => this.keep({ tokens })
  codeVerifier = () => this.kept.verifier
  saveCodeVerifier = (verifier) => this.keep({ verifier })
  redirectToAuthorization = (page) => console.log(`Log in at ${page}`)
}
