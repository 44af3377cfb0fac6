import "./styles";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "./api/errors";
import { connectLive } from "./live/live";
import { styleNonce } from "./lib/place";
import { useWatched } from "./live/state";
import { router } from "./router";
import { late, wantLateSoon } from "./shell/late";
import { cssVariables, theme } from "./theme";

// What scroll locks of dialogs put into the page must carry the nonce too (package get-nonce).
Object.assign(globalThis, { __webpack_nonce__: styleNonce });

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      refetchOnWindowFocus: true,
      networkMode: "always", // a service on this machine answers without any network
      retry: (count, error) => !(error instanceof ApiError && error.status >= 400 && error.status < 500) && count < 2,
    },
    mutations: { networkMode: "always" },
  },
});
connectLive(queryClient);

wantLateSoon();

// Drawn at once, not lazily: a page that is shown next may open a dialog at once.
function LateWhenHere() {
  const Late = useWatched(late);
  return Late && <Late />;
}

const place = document.getElementById("root");
if (!place) throw new Error("no place for the pages");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={() => styleNonce}>
        <RouterProvider router={router} />
        <LateWhenHere />
      </MantineProvider>
    </QueryClientProvider>
  </StrictMode>,
);
