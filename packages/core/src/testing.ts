export {
  type FakeRequest,
  type FakeStep,
  FakeTokenSource,
  type FakeTokenSourceOptions
} from "./testing/FakeTokenSource.js"
export * from "./testing/StoreContract.js"
