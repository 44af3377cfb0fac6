import { Button } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useRef, useState, type FormEvent } from "react";
import { answer, client } from "../../api/client";
import type { JobTypeOut } from "../../api/schema";
import { ArgsForm } from "../../components/ArgsForm";
import { useFieldErrors } from "../../components/form";
import { Icon } from "../../components/Icon";
import { Card } from "../../components/Page";
import { exactValue } from "../../lib/exact";
import { newKey } from "../../lib/key";

/** Run a type by hand, with arguments; goes on to the job. */
export function RunForm({ one }: { one: JobTypeOut }) {
  const [text, setText] = useState("");
  const navigate = useNavigate();
  const form = useFieldErrors(["args"]);
  const key = useRef(newKey());
  const run = async (event: FormEvent) => {
    event.preventDefault();
    // Pressed twice, it is one job: the key stays until it has worked.
    const made = await form.send(async () => answer(client.POST("/api/jobs/trigger", { params: { header: { "Idempotency-Key": key.current } }, body: { jobType: one.name, triggeredBy: null, ...(text.trim() ? { args: parseArgs(text) } : {}) } })));
    if (!made) return;
    key.current = newKey();
    void navigate({ to: "/jobs/$id", params: { id: made.id } });
  };
  return (
    <Card title="Run it now">
      <form id="run" className="stack" onSubmit={(event) => void run(event)}>
        <ArgsForm schema={one.argsSchema} text={text} onText={setText} error={form.error("args")} />
        <div className="row">
          <Button type="submit" loading={form.busy} leftSection={<Icon name="play" size={15} />}>Run</Button>
          <Link to="/new-schedule" search={{ type: one.name }}>Put it on a schedule</Link>
        </div>
      </form>
    </Card>
  );
}

/** The arguments of a text; what is no JSON goes as it is, so that the service says what is wrong. */
function parseArgs(text: string): never {
  try { return exactValue(text) as never; } catch { return text as never; }
}
