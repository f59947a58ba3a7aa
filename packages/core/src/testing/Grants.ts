/** How an authorization server treats its grants. Durations are milliseconds. */
export interface GrantRules {
  /** How long an access token lives. */
  readonly life: number
  /** Whether each refresh gives a new refresh token. */
  readonly rotates: boolean
  /** For how long a refresh token is taken again after its first use. */
  readonly window: number
  /** Whether the access tokens of a grant end with it. */
  readonly alarmEndsAccess: boolean
}

/**
 * The grants of an authorization server that rotates refresh tokens and ends each grant one of whose comes twice. All of
 * the fakes are made of it, and so is the simulator.
 */
export class Grants {
  readonly accessTokens = new Map<string, Access>()
  readonly refreshTokens = new Map<string, Refresh>()
  readonly families: Array<Family> = []
  /** How often a refresh token came that had been used up. */
  alarms = 0

  constructor(
    private readonly now: () => number,
    private readonly rules: GrantRules,
    /** Names the n-th tokens of a family; they have to differ. */
    private readonly nameOf: (family: Family, nth: number) => { readonly access: string; readonly refresh: string },
    private readonly onAlarm: (presented: string) => void = () => undefined
  ) {}

  login(key: string): Minted {
    const family: Family = { key, id: this.families.length, minted: 0, revoked: false }
    this.families.push(family)
    return this.mint(family, undefined)
  }

  refresh(key: string, presented: string): Minted | "invalid_grant" {
    const token = this.refreshTokens.get(presented)
    if (token === undefined || token.family.key !== key || token.family.revoked) return "invalid_grant"
    const { family, used } = token
    if (used === undefined) return this.mint(family, token)
    const { window } = this.rules
    if (!this.rules.rotates || (window > 0 && this.now() <= used.at + window)) {
      const left = used.minted.access.expiresAt - this.now()
      if (left >= 1_000 && this.rules.rotates) return used.minted
      return this.mint(family, token)
    }
    this.alarms++
    this.revoke(family)
    this.onAlarm(presented)
    return "invalid_grant"
  }

  revoke(family: Family): void {
    family.revoked = true
    if (!this.rules.alarmEndsAccess) return
    for (const access of this.accessTokens.values()) if (access.family === family) access.revoked = true
  }

  /** Whether the resource server takes it. */
  accepts(value: string): boolean {
    const access = this.accessTokens.get(value)
    return access !== undefined && !access.revoked && this.now() < access.expiresAt
  }

  private mint(family: Family, from: Refresh | undefined): Minted {
    const now = this.now()
    const name = this.nameOf(family, family.minted++)
    const keeps = from !== undefined && !this.rules.rotates
    const access: Access = {
      value: name.access,
      family,
      mintedAt: now,
      expiresAt: now + this.rules.life,
      revoked: false
    }
    const refresh: Refresh = keeps ? from : { value: name.refresh, family, access, used: undefined }
    const minted: Minted = { access, refresh, from, rotated: !keeps }
    this.accessTokens.set(access.value, access)
    if (keeps) refresh.access = access
    else this.refreshTokens.set(refresh.value, refresh)
    if (from !== undefined && !keeps) from.used ??= { at: now, minted }
    return minted
  }
}

/** One grant: a login and all that was refreshed from it. */
export interface Family {
  readonly key: string
  readonly id: number
  minted: number
  revoked: boolean
}

export interface Access {
  readonly value: string
  readonly family: Family
  mintedAt: number
  expiresAt: number
  revoked: boolean
}

export interface Refresh {
  readonly value: string
  readonly family: Family
  /** The access token it came with. */
  access: Access
  used: { readonly at: number; readonly minted: Minted } | undefined
}

export interface Minted {
  readonly access: Access
  readonly refresh: Refresh
  /** The refresh token that was presented for it. */
  readonly from: Refresh | undefined
  readonly rotated: boolean
}
