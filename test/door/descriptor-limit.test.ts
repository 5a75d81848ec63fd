import t from 'tap'
import {
  descriptorsWanted,
  descriptorWarning,
  parseDescriptorLimit,
} from '../../src/door/descriptor-limit.ts'
import { loadConfig } from '../../src/config/load.ts'

t.test('a limit of open files below what the listeners may take is told', async (t) => {
  const { config } = await loadConfig({ path: undefined, dataDir: '/var/lib/mailpassd', env: {} })
  const wanted = descriptorsWanted(config)
  t.ok(wanted > config.sasl.listeners.length * config.sasl.max_connections)
  t.match(descriptorWarning(config, 1024), /may have 1024 open files, .*LimitNOFILE=/)
  t.equal(descriptorWarning(config, wanted), undefined)
})

t.test('the limit as the kernel tells it', async (t) => {
  const line = (
    soft: string,
  ) => `Max processes             1                    2                    processes
Max open files            ${soft.padEnd(20)} 524288               files
`
  t.equal(parseDescriptorLimit(line('1024')), 1024)
  t.equal(parseDescriptorLimit(line('unlimited')), undefined)
  t.equal(parseDescriptorLimit(''), undefined)
})
