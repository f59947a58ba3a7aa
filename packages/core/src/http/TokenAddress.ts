import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { AccessToken } from "../model/AccessToken.js"
import { type Checks, func, required } from "../model/Options.js"
import { hostPattern, isHostOf, safeUrl } from "../transport/SafeUrl.js"

/** How the address of the API comes with its token: the instance of a customer, the data centre of a region. */
export interface AddressOptions {
  /** The base URL, of what the source was told to `keep`; undefined where it says none. */
  readonly of: (extra: AccessToken["extra"]) => string | undefined
  /**
   * What the whole host matches, with its port where it has one: an answer that somebody forged names no other. A token
   * whose address does not match goes nowhere.
   */
  readonly hosts: RegExp
}

/** Finds the base URL of tokens. */
export interface TokenAddress {
  /** The base URL of a token; undefined where it has none that may be. */
  readonly of: (token: AccessToken) => URL | undefined
  /** Whether `url` may be one of some token. */
  readonly allows: (url: URL | undefined) => boolean
}

/** What each option of an address has to be. */
export const addressChecks = {
  of: required(func("a function of what was kept to the base URL, such as (extra) => extra.instance_url")),
  hosts: required(hostPattern)
} satisfies Checks<AddressOptions>

/** A URL that relative ones are put after. */
export const baseUrlOf = (value: unknown): URL | undefined =>
  Option.getOrUndefined(Option.filter(safeUrl(value), ({ href }) => !/[?#*]/.test(href)))

/** Finds addresses by options that were checked. */
export const makeAddress = ({ hosts, of }: AddressOptions): TokenAddress => {
  const said = Option.liftThrowable(of)
  const allows: TokenAddress["allows"] = (url) => url !== undefined && isHostOf(hosts, url)
  let last: { readonly token: AccessToken; readonly url: URL | undefined } | undefined
  return {
    allows,
    of: (token) => {
      if (last?.token !== token) {
        const text = Option.getOrUndefined(said(token.extra))
        const url = Predicate.isString(text) ? baseUrlOf(text) : undefined
        last = { token, url: allows(url) ? url : undefined }
      }
      return last.url
    }
  }
}
