/** One answer as a provider gives it, secrets taken out. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Readonly<Record<string, unknown>>
}

/** What one provider answers, and what a profile must make of it. */
export interface Recorded {
  /** To a code, or to credentials. */
  readonly first: Answer
  /** To a refresh token. @default `first` */
  readonly refreshed?: Answer
  /** To a refresh token that is dead, or to a login that is refused. */
  readonly dead: Answer
  /** What `dead` comes to. @default "GrantRejected" */
  readonly refusal?: "ClientRejected"
  readonly limited: Answer
  readonly tenant?: Readonly<Record<string, string>>
  /** What `first` and `refreshed` come to. */
  readonly token: {
    readonly access: string
    readonly refresh?: string
    /** Seconds. */
    readonly lasts?: number
    readonly refreshLasts?: number
    readonly type?: string
    readonly scopes?: ReadonlyArray<string>
    readonly extra?: Readonly<Record<string, unknown>>
  }
  /** What else `refreshed` comes to. */
  readonly again?: Partial<Recorded["token"]>
}

/** What RFC 6749 has answers look like. */
export const standard = { access_token: "at-1", token_type: "Bearer", expires_in: 3600 }

/** The same with a refresh token. */
export const renewable = { ...standard, refresh_token: "rt-2" }

/** A dead grant as RFC 6749 section 5.2 tells it. */
export const dead: Answer = { status: 400, body: { error: "invalid_grant" } }

/** Too many requests (RFC 6585 section 4). */
export const limited: Answer = { status: 429, headers: { "retry-after": "7" }, body: {} }

/** What a provider answers that does as RFC 6749 has it. */
export const plain = (
  more: Partial<Recorded> & { readonly first: Answer; readonly token: Recorded["token"] }
): Recorded => ({
  ...{ dead, limited },
  ...more
})
