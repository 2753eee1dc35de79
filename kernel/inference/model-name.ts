/** The provider of a `provider/model` name; the model's own name may have further slashes. */
export function providerOf(model: string): string {
  return model.split('/', 1)[0] ?? model
}
