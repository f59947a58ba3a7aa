import { readFileSync, renameSync, writeFileSync } from "node:fs"
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens
} from "@modelcontextprotocol/client"

interface Kept {
  tokens?: StoredOAuthTokens | undefined
  client?: StoredOAuthClientInformation | undefined
}

/**
 * The provider of the SDK's documentation, whose tokens and client are kept in a JSON file that processes share. What one
 * login needs stays with the process that began it.
 */
export class FileProvider implements OAuthClientProvider {
  private verifier = ""
  private discovery: OAuthDiscoveryState | undefined
  constructor(
    readonly path: string,
    readonly redirectUrl: string,
    readonly clientMetadata: OAuthClientMetadata,
    readonly redirectToAuthorization: (page: URL) => void
  ) {}
  clientInformation() {
    return this.read().client
  }
  saveClientInformation(client: StoredOAuthClientInformation) {
    this.write({ client })
  }
  tokens() {
    return this.read().tokens
  }
  saveTokens(tokens: StoredOAuthTokens) {
    this.write({ tokens })
  }
  codeVerifier() {
    return this.verifier
  }
  saveCodeVerifier(verifier: string) {
    this.verifier = verifier
  }
  discoveryState() {
    return this.discovery
  }
  saveDiscoveryState(discovery: OAuthDiscoveryState) {
    this.discovery = discovery
  }
  invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery") {
    if (scope === "all" || scope === "client") this.write({ client: undefined })
    if (scope === "all" || scope === "tokens") this.write({ tokens: undefined })
    if (scope === "all" || scope === "discovery") this.discovery = undefined
  }

  private read(): Kept {
    try {
      return JSON.parse(readFileSync(this.path, "utf8"))
    } catch {
      return {}
    }
  }

  /** Replaces the file in one step, so that nobody reads half of it. */
  private write(change: Kept) {
    const whole = `${this.path}.${process.pid}`
    writeFileSync(whole, JSON.stringify({ ...this.read(), ...change }), { mode: 0o600 })
    renameSync(whole, this.path)
  }
}
