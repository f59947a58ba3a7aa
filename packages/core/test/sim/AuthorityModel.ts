import type { World } from "./World.js"

/** An authorization server that rotates refresh tokens and punishes each one that comes twice. */
export class AuthorityModel {
  readonly accessTokens = new Map<string, Access>()
  readonly refreshTokens = new Map<string, Refresh>()
  readonly families: Array<Family> = []
  alarms = 0

  constructor(
    private readonly world: World,
    private readonly options: {
      readonly life: number
      readonly rotates: boolean
      readonly window: number
      readonly alarmEndsAccess: boolean
    }
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
    if (!this.options.rotates || this.world.now <= used.at + this.options.window) {
      const left = used.minted.access.expiresAt - this.world.now
      if (left >= 1_000 && this.options.rotates) return used.minted
      return this.mint(family, token)
    }
    this.alarms++
    this.revoke(family)
    this.world.log("server: reuse alarm,", presented)
    return "invalid_grant"
  }

  revoke(family: Family): void {
    family.revoked = true
    if (!this.options.alarmEndsAccess) return
    for (const access of this.accessTokens.values()) if (access.family === family) access.revoked = true
  }

  /** Whether the resource server takes it. */
  accepts(value: string): boolean {
    const access = this.accessTokens.get(value)
    return access !== undefined && !access.revoked && this.world.now < access.expiresAt
  }

  private mint(family: Family, from: Refresh | undefined): Minted {
    const { now } = this.world
    const name = `${family.key}.${family.id}.${family.minted++}`
    const keeps = from !== undefined && !this.options.rotates
    const access: Access = {
      value: `access.${name}`,
      family,
      mintedAt: now,
      expiresAt: now + this.options.life,
      revoked: false
    }
    const refresh: Refresh = keeps ? from : { value: `refresh.${name}`, family, access, used: undefined }
    const minted: Minted = { access, refresh, from, rotated: !keeps }
    this.accessTokens.set(access.value, access)
    if (keeps) refresh.access = access
    else this.refreshTokens.set(refresh.value, refresh)
    if (from !== undefined && !keeps) from.used ??= { at: now, minted }
    return minted
  }
}

export interface Family {
  readonly key: string
  readonly id: number
  minted: number
  revoked: boolean
}

export interface Access {
  readonly value: string
  readonly family: Family
  readonly mintedAt: number
  readonly expiresAt: number
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
