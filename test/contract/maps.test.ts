/** The contract of the maps on every database. */
import { suite } from '../servers/suite.ts'
import { mapsContract } from './maps.ts'
import { SUBJECTS } from './store-subjects.ts'

for (const subject of SUBJECTS) {
  suite(subject.name, [subject.missing], async (t) => mapsContract(subject, t))
}
