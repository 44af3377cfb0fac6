import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";
import { useMe } from "../../api/queries";
import { follow } from "./act";

const LATEST = 10;
const EVERY_MS = 15_000;

/** Follow the operations that are under way, whoever began them: before this page was opened, too. */
export function useOperations(): void {
  const cache = useQueryClient();
  const { me, may } = useMe();
  const mayDrive = may("continueOperation");
  const { data } = useQuery({ queryKey: keys.operations(), refetchInterval: EVERY_MS, staleTime: 0, queryFn: ({ signal }) => answer(client.GET("/api/operations", { params: { query: { limit: LATEST } }, signal })) });
  useEffect(() => {
    if (!me) return;
    for (const one of data?.operations ?? []) if (!one.done) void follow(cache, one.id, one.action, mayDrive);
  }, [cache, data, me, mayDrive]);
}
