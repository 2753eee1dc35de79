import type { ModelFacts, SessionFacts } from '#kernel/store/session-facts.ts'
import { count, dollars, percent } from '../figures.ts'
import type { Rule } from '../rule.ts'

/** `snapshots`: what the models were shown is on record for a turn at least. `grades`: somebody has graded one. */
export type SessionNeed = 'snapshots' | 'grades'

/** Every rule about a session. A share or a mean must be past its line, not on it. */
export const sessionRules: readonly Rule<SessionFacts, SessionNeed>[] = [
  {
    name: 'context_drift',
    category: 'budget',
    needs: ['snapshots'],
    fires({ utilisation: { count, first, second } }) {
      if (count < 4 || second <= first + 0.15) return undefined
      return {
        severity: 'warning',
        message: `The context filled ${percent(first)} of its budget in the first half and ${percent(second)} in the second.`,
        suggestion: 'Begin a new session when the subject changes, before older messages are left out.',
      }
    },
  },
  {
    name: 'frequent_escalation',
    category: 'quality',
    needs: ['snapshots'],
    fires({ escalated, snapshots }) {
      const share = escalated / snapshots
      if (share <= 0.4) return undefined
      return {
        severity: 'warning',
        message: `${escalated} of ${count(snapshots, 'turn')} (${percent(share)}) were of level L2 or L3.`,
        suggestion: 'Split hard questions into steps, or give this work a stronger model from the start.',
      }
    },
  },
  {
    name: 'cost_acceleration',
    category: 'cost',
    needs: [],
    fires({ cost: { count, first, second } }) {
      if (count < 4 || first <= 0 || second <= 1.5 * first) return undefined
      return {
        severity: 'warning',
        message: `A turn cost ${dollars(first)} on average in the first half and ${dollars(second)} in the second.`,
        suggestion: 'Begin a new session: what costs more with each turn is mostly the history that is sent again.',
      }
    },
  },
  {
    name: 'underutilized_memory',
    category: 'memory',
    needs: ['snapshots'],
    fires({ with_memory, snapshots }) {
      if (with_memory > 0) return undefined
      return {
        severity: 'info',
        message: `None of ${count(snapshots, 'turn')} had a memory put before the model.`,
        suggestion: 'Have it remember what comes up again and again; keel memory status tells whether recall works.',
      }
    },
  },
  {
    name: 'tool_success_rate',
    category: 'tools',
    needs: [],
    fires({ tool_calls: calls, tool_successes: successes }) {
      const rate = successes / calls
      if (calls < 5 || rate >= 0.8) return undefined
      return {
        severity: rate < 0.5 ? 'critical' : 'warning',
        message: `${successes} of ${calls} tool calls succeeded (${percent(rate)}).`,
        suggestion: "Read the failed calls' errors, and mend, describe better or disable the tool that fails most.",
      }
    },
  },
  {
    name: 'model_churn',
    category: 'quality',
    needs: [],
    fires({ models }) {
      if (models.length <= 3) return undefined
      return {
        severity: 'info',
        message: `${models.length} models answered: ${models.map(({ model }) => model).join(', ')}.`,
        suggestion: 'Fix a model for work whose tone or format must stay the same.',
      }
    },
  },
  {
    name: 'quality_declining',
    category: 'quality',
    needs: ['grades'],
    fires({ grades: { count, first, second } }) {
      if (count < 4 || first - second <= 0.5) return undefined
      return {
        severity: 'warning',
        message: `Grades fell from ${first.toFixed(1)} in the first half to ${second.toFixed(1)} in the second.`,
        suggestion: 'Begin a new session, or look at what changed between the well and the badly graded turns.',
      }
    },
  },
  {
    name: 'cost_quality_mismatch',
    category: 'cost',
    needs: ['grades'],
    fires({ models }) {
      const graded = models.filter((one): one is ModelFacts & { mean_grade: number } => one.mean_grade !== null)
      const [dearest, ...others] = graded.toSorted((left, right) => right.mean_cost - left.mean_cost)
      const better = others.toSorted((left, right) => right.mean_grade - left.mean_grade)[0]
      if (!dearest || !better || better.mean_cost === dearest.mean_cost) return undefined
      if (better.mean_grade <= dearest.mean_grade) return undefined
      const said = ({ model, mean_cost, mean_grade }: typeof better) =>
        `${model} (${dollars(mean_cost)} a turn, grade ${mean_grade.toFixed(1)})`
      return {
        severity: 'warning',
        message: `${said(dearest)} costs most and is graded lower than ${said(better)}.`,
        suggestion: `Prefer ${better.model} for this kind of work.`,
      }
    },
  },
  {
    name: 'memory_helps',
    category: 'memory',
    needs: ['snapshots', 'grades'],
    fires({ graded: { with_memory: having, without_memory: lacking } }) {
      if (having.count < 2 || lacking.count < 2 || having.mean <= lacking.mean + 0.5) return undefined
      return {
        severity: 'info',
        message: `Turns with memories were graded ${having.mean.toFixed(1)}, those without ${lacking.mean.toFixed(1)}.`,
        suggestion: 'Have it remember more of what this work needs.',
      }
    },
  },
  {
    name: 'low_coverage_warning',
    category: 'quality',
    needs: [],
    fires({ turns, grades }) {
      const share = grades.count / turns
      if (turns < 50 || share >= 0.2) return undefined
      return {
        severity: 'info',
        message: `${grades.count} of ${turns} turns are graded (${percent(share)}).`,
        suggestion: 'Grade more answers, good ones too: selection and these insights go by them.',
      }
    },
  },
]
