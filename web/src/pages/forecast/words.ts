import type { ClashOut, HourOut, RoomOut } from "../../api/schema";
import type { IconName } from "../../components/Icon";
import type { Tone } from "../../components/status";

/** How a clash looks and what kind of trouble it is. */
export const CLASHES: Record<ClashOut["kind"], { tone: Tone; icon: IconName; word: string }> = {
  overload: { tone: "bad", icon: "error", word: "Overload" },
  overrun: { tone: "warn", icon: "hourglass", word: "Overrun" },
  together: { tone: "warn", icon: "bolt", word: "All at once" },
};

/** How full the fullest queue of an hour is: its work over what may run at once; null without work. */
export function loadOf(hour: HourOut, rooms: readonly RoomOut[]): { queue: string; busy: number; capacity: number; share: number } | null {
  let fullest: { queue: string; busy: number; capacity: number; share: number } | null = null;
  for (const [queue, { busy, starts }] of Object.entries(hour.queues)) {
    if (!starts && !busy) continue;
    const capacity = rooms.find((one) => one.name === queue)?.capacity ?? 0;
    const share = capacity ? busy / capacity : Infinity;
    if (fullest === null || share > fullest.share) fullest = { queue, busy, capacity, share };
  }
  return fullest;
}

/** Whether a clash lies in an hour. */
export const isIn = (clash: ClashOut, hour: HourOut, until: number): boolean => {
  const at = Date.parse(clash.at);
  const end = clash.end ? Date.parse(clash.end) : at;
  return at < until && end >= Date.parse(hour.begin);
};
