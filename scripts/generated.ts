/** The files that are made from the source: path below the repository -> their text. A test holds them in step. */
import { version } from '../src/cli/run.ts'
import { openApiJson } from '../src/door/http/openapi.ts'
import { metricsMarkdown } from '../src/telemetry/definitions.ts'
import { configurationPage } from './configuration-page.ts'
import { errorsPage } from './errors-page.ts'
import { exampleToml } from './example-toml.ts'

export const GENERATED: ReadonlyMap<string, () => Promise<string>> = new Map([
  ['conf/mailpassd.example.toml', async () => exampleToml()],
  ['docs/configuration.md', async () => configurationPage()],
  ['docs/errors.md', async () => errorsPage()],
  ['docs/metrics.md', async () => metricsMarkdown()],
  ['docs/openapi.json', () => openApiJson(version())],
])
