import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import type { JobDetail } from "../../api/schema";

const TAIL = 20;

/** How a command ended and what it used, as the last line about it in the log says: "exit code 3 after 0.21 s, CPU 0.02 s, 12 MB". */
export const ending = (job: JobDetail) => queryOptions({
  queryKey: [...keys.jobLog(job.id), "ending", job.completedAt],
  enabled: job.kind === "command" && job.completedAt !== null && job.startedAt !== null,
  queryFn: async ({ signal }): Promise<string | null> => {
    const { lines } = await answer(client.GET("/api/jobs/{id}/logs", { params: { path: { id: job.id }, query: { tail: TAIL, stream: "system" } }, signal }));
    return lines.findLast((line) => line.text.includes(" after "))?.text ?? null;
  },
});
