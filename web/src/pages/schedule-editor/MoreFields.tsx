import { NumberInput, Select, TextInput } from "@mantine/core";
import type { More } from "./draft";

const OVERLAPS = [
  { value: "skip", label: "Skip it" }, { value: "queueOne", label: "Let one wait" }, { value: "queueAll", label: "Let all wait" },
  { value: "cancel", label: "Cancel the one that runs" }, { value: "kill", label: "Kill the one that runs" }, { value: "allow", label: "Run them side by side" },
];
const CATCHUPS = [{ value: "latest", label: "Run the latest of them" }, { value: "none", label: "Run none" }, { value: "all", label: "Run all, in order" }];

type Props = { more: More; set: (part: Partial<More>) => void; error: (field: string) => string | undefined };

/** What is seldom said; everything has a default. */
export function MoreFields({ more, set, error }: Props) {
  const text = (field: keyof More, label: string, placeholder: string, description?: string) => (
    <TextInput label={label} placeholder={placeholder} description={description} value={more[field]} error={error(field)} onChange={(event) => set({ [field]: event.currentTarget.value })} />
  );
  const number = (field: keyof More, label: string, placeholder: string) => (
    <NumberInput label={label} placeholder={placeholder} min={1} allowDecimal={false} value={more[field]} error={error(field)} onChange={(value) => set({ [field]: String(value) })} />
  );
  return (
    <div className="grid">
      <Select label="If the last run still runs" data={OVERLAPS} value={more.overlap || "skip"} allowDeselect={false} error={error("overlap")} onChange={(overlap) => set({ overlap: overlap ?? "" })} />
      <Select label="Runs missed while all was down" data={CATCHUPS} value={more.catchup || "latest"} allowDeselect={false} error={error("catchup")} onChange={(catchup) => set({ catchup: catchup ?? "" })} />
      {text("queue", "Queue", "default")}
      {text("priority", "Priority", "0", "A number or a name; higher runs first")}
      {text("timeout", "May run for", "1h")}
      {number("maxAttempts", "Attempts", "1 for commands, else 4")}
      {number("pauseAfter", "Pause after failures in a row", "never")}
      {text("jitter", "Spread by up to", "0s")}
      {text("startAt", "Not before", "2027-01-01T00:00")}
      {text("endAt", "Not after", "2027-12-31T23:59")}
      {text("calendars", "Not on days of", "holidays, freeze", "Names of calendars")}
      {text("tags", "Tags", "nightly, billing")}
      {text("note", "Note", "Why it is there")}
    </div>
  );
}
