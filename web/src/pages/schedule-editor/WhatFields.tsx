import { JsonInput, SegmentedControl, Select, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { queries, useMe } from "../../api/queries";
import { ArgsForm } from "../../components/ArgsForm";
import type { Draft, What } from "./draft";

type Props = { draft: Draft; set: (part: Partial<Draft>) => void; error: (field: string) => string | undefined };

/** What runs: a declared type with its arguments, a command, or a call. A target of its own takes an admin. */
export function WhatFields({ draft, set, error }: Props) {
  const { can } = useMe();
  const { data } = useQuery(queries.jobTypes());
  const names = data?.jobTypes.map((one) => one.name) ?? [];
  const kinds: { value: What; label: string }[] = [{ value: "type", label: "Job type" }, ...(can("admin") ? [{ value: "command" as const, label: "Command" }, { value: "http" as const, label: "HTTP call" }] : [])];
  if (draft.what === "other") kinds.push({ value: "other", label: "Target" });
  return (
    <div className="stack">
      <SegmentedControl aria-label="What runs" fullWidth data={kinds} value={draft.what} onChange={(what) => set({ what: what as What })} />
      {draft.what === "type" && <Select label="Job type" placeholder={names.length ? "Choose one" : "None is declared yet"} searchable required data={names} value={draft.jobType || null} error={error("jobType")} onChange={(jobType) => set({ jobType: jobType ?? "" })} nothingFoundMessage="No such type" />}
      {draft.what === "command" && <Textarea label="Command" description="As you would type it in a shell; its output is the log." placeholder="/opt/app/bin/nightly --all" required autosize minRows={1} maxRows={8} spellCheck={false} classNames={{ input: "mono" }} value={draft.shell} error={error("target")} onChange={(event) => set({ shell: event.currentTarget.value })} />}
      {draft.what === "http" && (
        <div className="row" style={{ alignItems: "start", flexWrap: "nowrap" }}>
          <Select label="Method" w="7rem" flex="none" data={["POST", "GET", "PUT", "PATCH", "DELETE"]} value={draft.method} allowDeselect={false} onChange={(method) => set({ method: method ?? "POST" })} />
          <TextInput label="Address" placeholder="https://app.example.org/jobs/digest" required flex={1} spellCheck={false} value={draft.url} error={error("target")} onChange={(event) => set({ url: event.currentTarget.value })} />
        </div>
      )}
      {draft.what === "other" && <JsonInput label="Target" autosize minRows={4} maxRows={16} value={draft.target} error={error("target")} onChange={(target) => set({ target })} classNames={{ input: "mono" }} />}
      {draft.what !== "command" && <ArgsForm schema={draft.what === "type" ? data?.jobTypes.find((one) => one.name === draft.jobType)?.argsSchema : null} text={draft.args} onText={(args) => set({ args })} error={error("args")} />}
    </div>
  );
}
