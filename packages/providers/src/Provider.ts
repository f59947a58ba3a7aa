import type { ProviderProfile } from "@evertoken/core/profile"

/** A profile of this package: it says whose it is, where its facts are from, and when they were last looked at. */
export interface Provider extends ProviderProfile {
  readonly id: string
  readonly name: string
  readonly docs: NonNullable<ProviderProfile["docs"]>
  readonly verified: string
}
