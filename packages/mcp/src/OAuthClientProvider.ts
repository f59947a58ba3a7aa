/** What MCP SDKs ask of the object that logs a person in, and what they give it. The shapes are those of the SDKs. */
export interface OAuthClientProvider {
  readonly redirectUrl: string | URL
  /** As the application gave it; the SDKs have different types for `application_type`. */
  readonly clientMetadata: Omit<ClientMetadata, "application_type">
  readonly clientMetadataUrl?: string
  state(): Promise<string>
  clientInformation(): Promise<ClientInformation | undefined>
  /** Absent where the client was registered by hand. */
  saveClientInformation?(client: ClientInformation): Promise<void>
  /** A valid access token, and never the refresh token; undefined where a person has to log in. */
  tokens(): Promise<OAuthTokens | undefined>
  saveTokens(tokens: OAuthTokens): Promise<void>
  redirectToAuthorization(authorizationUrl: URL): Promise<void>
  saveCodeVerifier(verifier: string): Promise<void>
  codeVerifier(): Promise<string>
  invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): Promise<void>
  saveDiscoveryState(state: DiscoveryState): Promise<void>
  discoveryState(): Promise<DiscoveryState | undefined>
}

/** What newer MCP SDKs ask of an object that has tokens and no login. */
export interface AuthProvider {
  token(): Promise<string | undefined>
  onUnauthorized(): Promise<void>
}

/** How a person logs in: the part of a provider that only the application can write. A provider of its own will do. */
export interface Login {
  /** Where the browser comes back to, as registered. */
  readonly redirectUrl: string | URL | undefined
  /** What the client says of itself when it registers (RFC 7591 section 2). */
  readonly clientMetadata: ClientMetadata
  /** Where the client says that of itself, for authorization servers that read it there. */
  readonly clientMetadataUrl?: string | undefined
  /** Shows the login page to the person, such as by opening a browser. */
  redirectToAuthorization(authorizationUrl: URL): void | Promise<void>
  /** The `state` of a login. @default a random one */
  state?(): string | Promise<string>
}

/** What a client says of itself (RFC 7591 section 2). */
export interface ClientMetadata {
  redirect_uris: Array<string>
  token_endpoint_auth_method?: string | undefined
  grant_types?: Array<string> | undefined
  response_types?: Array<string> | undefined
  application_type?: string | undefined
  client_name?: string | undefined
  client_uri?: string | undefined
  logo_uri?: string | undefined
  scope?: string | undefined
  contacts?: Array<string> | undefined
  tos_uri?: string | undefined
  policy_uri?: string | undefined
  jwks_uri?: string | undefined
  software_id?: string | undefined
  software_version?: string | undefined
  software_statement?: string | undefined
}

/** A registered client (RFC 7591 section 3.2.1). */
export interface ClientInformation {
  client_id: string
  client_secret?: string | undefined
  client_id_issued_at?: number | undefined
  client_secret_expires_at?: number | undefined
  token_endpoint_auth_method?: string | undefined
  /** The authorization server that it is registered with. */
  issuer?: string | undefined
}

/** What a token endpoint answered (RFC 6749 section 5.1). */
export interface OAuthTokens {
  access_token: string
  token_type: string
  expires_in?: number | undefined
  scope?: string | undefined
  refresh_token?: string | undefined
  /** The authorization server that issued them. */
  issuer?: string | undefined
}

/** What the SDK found out about the authorization server of an MCP server. */
export interface DiscoveryState {
  authorizationServerUrl: string
  resourceMetadataUrl?: string
  authorizationServerMetadata?: ServerMetadata
  resourceMetadata?: ResourceMetadata
}

/** What an authorization server says of itself (RFC 8414 section 2). */
export type ServerMetadata = {
  issuer: string
  authorization_endpoint: string
  token_endpoint: string
  response_types_supported: Array<string>
  revocation_endpoint?: string | undefined
  token_endpoint_auth_methods_supported?: Array<string> | undefined
}

/** What an MCP server says of itself (RFC 9728 section 2). */
export type ResourceMetadata = {
  resource: string
  authorization_servers?: Array<string> | undefined
  scopes_supported?: Array<string> | undefined
}
