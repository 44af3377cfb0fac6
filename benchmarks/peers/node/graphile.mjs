// Graphile Worker: a local queue of 500 jobs, ended in batches; 24 jobs at once.  Finished jobs are deleted.
import { makeWorkerUtils, run } from "graphile-worker";
import { main, sql, stamp, url } from "./frame.mjs";

const MANY = 1000;
const QUEUE = 500;

main({
  left: "SELECT 1 FROM graphile_worker._private_jobs LIMIT 1",
  async prepare() {
    const utils = await makeWorkerUtils({ connectionString: url });
    await utils.migrate();
    await utils.release();
    await sql("TRUNCATE graphile_worker._private_jobs");
  },
  async sender() {
    const utils = await makeWorkerUtils({ connectionString: url });
    return {
      one: (name, payload) => utils.addJob(name, payload),
      async fill(count) {
        await utils.addJob("stamp", { sent: 0 });
        for (let start = 0; start < count; start += MANY) {
          const some = Math.min(MANY, count - start);
          await utils.addJobs(Array.from({ length: some }, () => ({ identifier: "noop", payload: {} })));
        }
      },
      close: () => utils.release(),
    };
  },
  async work() {
    const runner = await run({
      preset: {
        worker: {
          connectionString: url,
          concurrentJobs: 24,
          maxPoolSize: 24,
          pollInterval: 500,
          localQueue: { size: QUEUE },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
      logger: undefined,
      taskList: { noop: () => {}, stamp: ({ sent }) => stamp(sent) },
    });
    await runner.promise;
  },
});
