import { Chip, Group, JsonInput, NumberInput, SegmentedControl, Select, Textarea, TextInput } from "@mantine/core";
import { useMemo } from "react";
import { durationText, parseSpan, viewerZone } from "../../lib/time";
import { DAYS, type Day, type When } from "./when";

const MODES = [
  { value: "every", label: "Every …" },
  { value: "hourly", label: "Hourly" },
  { value: "daily", label: "Daily" },
  { value: "cron", label: "Cron" },
  { value: "once", label: "Once" },
];
const STEPS = ["1m", "5m", "10m", "15m", "30m", "1h", "2h", "6h", "12h", "1d"];
const DAY_WORDS: Record<Day, string> = { MON: "Mon", TUE: "Tue", WED: "Wed", THU: "Thu", FRI: "Fri", SAT: "Sat", SUN: "Sun" };

type Props = { when: When; timezone: string; set: (when: When) => void; setZone: (zone: string) => void; error?: string | undefined; zoneError?: string | undefined };

/** When it fires: presets first, cron for the rest. */
export function WhenFields({ when, timezone, set, setZone, error, zoneError }: Props) {
  const part = (said: Partial<When>) => set({ ...when, ...said });
  const zones = useMemo(() => [...new Set([viewerZone, "UTC", timezone, ...Intl.supportedValuesOf("timeZone")])].filter(Boolean), [timezone]);
  const modes = when.mode === "rules" ? [...MODES, { value: "rules", label: "Rules" }] : MODES;
  return (
    <div className="stack">
      <SegmentedControl aria-label="How often" fullWidth data={modes} value={when.mode} onChange={(mode) => part({ mode: mode as When["mode"] })} />
      <Fields when={when} part={part} error={error} />
      {when.mode !== "every" && <Select label="Time zone" searchable data={zones} value={timezone} allowDeselect={false} limit={60} error={zoneError} onChange={(zone) => setZone(zone ?? "UTC")} nothingFoundMessage="No such zone" />}
    </div>
  );
}

function Fields({ when, part, error }: { when: When; part: (said: Partial<When>) => void; error: string | undefined }) {
  switch (when.mode) {
    case "every":
      return (
        <div className="stack">
          <Chip.Group value={when.every} onChange={(every) => part({ every: String(every) })}>
            <Group gap="0.4rem">{STEPS.map((step) => <Chip key={step} value={step} size="sm">{durationText(parseSpan(step) ?? 0)}</Chip>)}</Group>
          </Chip.Group>
          <TextInput label="Or each" description="It counts from the creation of the schedule: the first run is one interval later." placeholder="45s, 90m, 3d" value={when.every} error={error} onChange={(event) => part({ every: event.currentTarget.value })} />
        </div>
      );
    case "hourly":
      return <NumberInput label="At minute" min={0} max={59} clampBehavior="strict" allowDecimal={false} value={when.minute} error={error} onChange={(minute) => part({ minute: Number(minute) })} />;
    case "daily":
      return (
        <div className="stack">
          <TextInput type="time" label="At" value={when.time} error={error} onChange={(event) => part({ time: event.currentTarget.value })} />
          <Chip.Group multiple value={[...when.days]} onChange={(days) => part({ days: days as Day[] })}>
            <Group gap="0.4rem" role="group" aria-label="On">{DAYS.map((day) => <Chip key={day} value={day} size="sm">{DAY_WORDS[day]}</Chip>)}</Group>
          </Chip.Group>
        </div>
      );
    case "cron":
      return (
        <Textarea
          label="Cron" description="Minute, hour, day, month, weekday; several lines are several rules. MON, JAN, */5, L, MON#2 and @daily are understood, H spreads load."
          autosize minRows={1} maxRows={6} spellCheck={false} classNames={{ input: "mono" }} value={when.cron} error={error} onChange={(event) => part({ cron: event.currentTarget.value })}
        />
      );
    case "once":
      return <TextInput label="At" description="2027-01-31T09:00 in the zone below, or with a zone of its own, such as …Z" placeholder="2027-01-31T09:00" value={when.at} error={error} onChange={(event) => part({ at: event.currentTarget.value })} />;
    case "rules":
      return <JsonInput label="Rules" autosize minRows={3} maxRows={14} value={when.rules} error={error} onChange={(rules) => part({ rules })} classNames={{ input: "mono" }} />;
  }
}
