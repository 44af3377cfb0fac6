import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, type Rolldown } from "vite";

// Where `npm run dev` finds a running service.
const service = process.env["ROTA_URL"] ?? "http://127.0.0.1:7005";

const ROUTE = /page\("([^"]+)", \(\) => import\("\.\/(pages\/[\w-]+)"\)\)/g;

/**
 * Writes pages.json: the address of each page and the files it is made of. The service names them in the page that it
 * answers with, so that a browser fetches them beside the frame, not after the frame has run.
 */
function pageFiles(): Plugin {
  return {
    name: "page-files",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const routes = [...readFileSync("src/router.tsx", "utf-8").matchAll(ROUTE)];
      if (routes.length === 0) this.error("src/router.tsx names no page");
      const pages = routes.map(([, path = "", page = ""]): [string, string[]] => [path, [page, "shell/Late"]]);
      pages.push(["/", ["components/ChartCanvas"]]); // the overview itself is in the frame
      const files = pages.map(([path, sources]) => [path, [...new Set(sources.flatMap((source) => filesOf(source, chunks)))]]);
      this.emitFile({ type: "asset", fileName: "pages.json", source: JSON.stringify(files) });
    },
  };
}

function filesOf(source: string, chunks: Rolldown.OutputChunk[]): string[] {
  const first = chunks.find((one) => one.moduleIds.some((id) => id.endsWith(`/src/${source}.tsx`)));
  if (!first) throw new Error(`no file was built from src/${source}.tsx`);
  const found = new Set([first.fileName]);
  for (const name of found) {
    const chunk = chunks.find((one) => one.fileName === name);
    for (const other of [...(chunk?.imports ?? []), ...(chunk?.viteMetadata?.importedCss ?? [])]) found.add(other);
  }
  return [...found];
}

export default defineConfig({
  // Addresses in the built page are relative: the service says in <base> under which path it lives.
  base: "./",
  plugins: [react(), pageFiles()],
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        chunkFileNames: ({ name }) => `assets/${name.split("~")[0]}-[hash].js`,
        assetFileNames: ({ names }) => `assets/${names[0]?.split("~")[0]?.replace(/\.\w+$/, "")}-[hash][extname]`,
        codeSplitting: {
          groups: [
            // What rarely changes stays in the browser's cache when a page changes.
            { name: "react", test: /node_modules\/(react|react-dom|scheduler)\// },
            { name: "tanstack", test: /node_modules\/@tanstack\// },
            // A file is a round trip, and a browser fetches six at a time: a first visit waits for many small ones.
            { name: "frame", tags: ["$initial"] },
            { name: "shared", minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: {
    proxy: { "^/(api|health|live|login|logout)": { target: service, changeOrigin: true } },
  },
});
