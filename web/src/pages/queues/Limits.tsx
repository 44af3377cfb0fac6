import { ActionIcon, Button, NumberInput, Select, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import { useMe } from "../../api/queries";
import type { QueueOut } from "../../api/schema";
import { useFieldErrors } from "../../components/form";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { toast } from "../../components/toasts";
import classes from "./Limits.module.css";
import { limitsText } from "./words";

type Rate = { limit: number | ""; per: string; scope: "queue" | "key" };
type Draft = { concurrency: number | ""; workerConcurrency: number | ""; keyConcurrency: number | ""; ageing: string; rates: Rate[] };

const NUMBERS = [
  { field: "concurrency", label: "At once, everywhere" },
  { field: "workerConcurrency", label: "At once in each worker" },
  { field: "keyConcurrency", label: "At once per key" },
] as const;

const draftOf = (queue: QueueOut): Draft => ({
  concurrency: queue.concurrency ?? "",
  workerConcurrency: queue.workerConcurrency ?? "",
  keyConcurrency: queue.keyConcurrency ?? "",
  ageing: queue.ageing ?? "",
  rates: queue.rateLimits.map(({ limit, per, scope }) => ({ limit, per, scope })),
});
const said = (value: number | "") => (value === "" ? null : value);

/** The limits of a queue as a form; what is saved holds within a second, on all machines. */
export function Limits({ queue, changed }: { queue: QueueOut; changed: () => void }) {
  const { may } = useMe();
  const [draft, setDraft] = useState<Draft | null>(null);
  const form = useFieldErrors(["concurrency", "workerConcurrency", "keyConcurrency", "rateLimits", "ageing"]);
  if (draft === null) {
    return (
      <Card title="Limits" actions={may("changeQueue") && <Button size="xs" variant="default" leftSection={<Icon name="edit" size={14} />} onClick={() => setDraft(draftOf(queue))}>Change</Button>}>
        <span className="small">{limitsText(queue) || "None: as many run at once as the workers have places for."}{queue.ageing && ` Priority rises by one each ${queue.ageing}.`}</span>
      </Card>
    );
  }
  const set = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const setRate = (index: number, part: Partial<Rate>) => set({ rates: draft.rates.map((one, at) => (at === index ? { ...one, ...part } : one)) });
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const body = {
      concurrency: said(draft.concurrency), workerConcurrency: said(draft.workerConcurrency), keyConcurrency: said(draft.keyConcurrency),
      ageing: draft.ageing.trim() || null, rateLimits: draft.rates.map((one) => ({ ...one, limit: Number(one.limit) })),
    };
    if (await form.send(() => answer(client.PATCH("/api/queues/{name}", { params: { path: { name: queue.name } }, body })))) {
      toast(`The limits of ${queue.name} hold from now on`);
      setDraft(null);
      changed();
    }
  };
  return (
    <Card title="Limits">
      <form className="stack" onSubmit={(event) => void save(event)}>
        <div className="grid">
          {NUMBERS.map(({ field, label }) => (
            <NumberInput key={field} label={label} placeholder="no limit" min={0} allowDecimal={false} value={draft[field]} error={form.error(field)} onChange={(value) => set({ [field]: typeof value === "number" ? value : "" })} />
          ))}
          <TextInput label="Priority rises by one each" placeholder="never" value={draft.ageing} error={form.error("ageing")} onChange={(event) => set({ ageing: event.currentTarget.value })} />
        </div>
        <fieldset className={classes.rates}>
          <legend>Rate limits</legend>
          {draft.rates.map((rate, index) => (
            <div key={index} className={classes.rate}>
              <NumberInput aria-label="Starts" min={1} allowDecimal={false} value={rate.limit} onChange={(value) => setRate(index, { limit: typeof value === "number" ? value : "" })} />
              <span className="dim small">each</span>
              <TextInput aria-label="Time" placeholder="1m" value={rate.per} onChange={(event) => setRate(index, { per: event.currentTarget.value })} />
              <Select aria-label="Counted" data={[{ value: "queue", label: "in the queue" }, { value: "key", label: "per key" }]} value={rate.scope} allowDeselect={false} onChange={(scope) => setRate(index, { scope: scope === "key" ? "key" : "queue" })} />
              <ActionIcon variant="subtle" color="gray" aria-label="Remove this rate limit" onClick={() => set({ rates: draft.rates.filter((_, at) => at !== index) })}><Icon name="trash" size={16} /></ActionIcon>
            </div>
          ))}
          {form.error("rateLimits") && <p className={classes.error} role="alert">{form.error("rateLimits")}</p>}
          <Button size="xs" variant="default" leftSection={<Icon name="plus" size={14} />} onClick={() => set({ rates: [...draft.rates, { limit: 100, per: "1m", scope: "queue" }] })}>Add a rate limit</Button>
        </fieldset>
        <div className="row">
          <Button type="submit" loading={form.busy}>Save</Button>
          <Button variant="default" onClick={() => { form.clear(); setDraft(null); }}>Cancel</Button>
        </div>
      </form>
    </Card>
  );
}
