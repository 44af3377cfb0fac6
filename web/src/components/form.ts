import { useState } from "react";
import { ApiError } from "../api/errors";
import { toastError } from "./toasts";

/**
 * Field errors from problem answers: `form.error("cron")` is the message of a refusal of `cron`, of `rules.0.cron` too.
 * `form.send(() => answer(client.PUT(…)))` gives what came back, or undefined when it was refused; what belongs to no
 * field that asked for its error is said as a toast.
 */
export function useFieldErrors(fields: readonly string[]) {
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  return {
    busy,
    errors,
    clear: () => setErrors({}),
    error: (field: string): string | undefined => errors[field],
    async send<T>(call: () => Promise<T>): Promise<T | undefined> {
      setBusy(true);
      setErrors({});
      try {
        return await call();
      } catch (error) {
        const field = error instanceof ApiError ? fields.find((name) => error.field === name || error.field?.startsWith(`${name}.`) || error.field?.startsWith(`${name}[`)) : undefined;
        if (field && error instanceof ApiError) setErrors({ [field]: [error.message, error.hint].filter(Boolean).join("; ") });
        else toastError(error);
        return undefined;
      } finally {
        setBusy(false);
      }
    },
  };
}
