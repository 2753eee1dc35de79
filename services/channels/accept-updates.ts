import { type ChannelUpdate, channelBounds } from '#sdk/channels/message.ts'
import type { AdapterHost } from './adapter.ts'

/** Hands over as many at once as may be; the new cursor goes with the last of them, so that what fails before comes again. */
export async function acceptUpdates(
  host: Pick<AdapterHost, 'accept'>,
  updates: readonly ChannelUpdate[],
  { before, after }: { before: string | null; after: string | null },
): Promise<void> {
  const most = channelBounds.updates
  for (let at = 0; at === 0 || at < updates.length; at += most) {
    await host.accept(updates.slice(at, at + most), at + most < updates.length ? before : after)
  }
}
