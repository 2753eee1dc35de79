import { definePlugin, tool, z } from '@keel/sdk'
import { convert, findUnit, unitsByKind } from './units.ts'

const unitName = z.string().min(1).max(32)

export default definePlugin({
  tools: {
    convert_unit: tool({
      input: z.object({ value: z.number(), from: unitName, to: unitName }),
      output: z.object({ value: z.number(), unit: z.string(), text: z.string() }),
      run({ input }) {
        const [from, to] = [findUnit(input.from), findUnit(input.to)]
        const value = convert(input.value, from, to)
        const unit = to.names[0] ?? input.to
        return { value, unit, text: `${input.value} ${from.names[0]} = ${value} ${unit}` }
      },
    }),

    list_units: tool({ input: z.object({}), run: () => unitsByKind() }),
  },
})
