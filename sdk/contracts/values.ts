import { z } from 'zod'

/** ISO-8601 UTC with milliseconds, `2025-01-31T09:15:02.123Z`. */
export const time = z.string().meta({ format: 'date-time' })

/** A UTC day, `2025-01-31`. */
export const day = z.string().meta({ format: 'date' })

export const count = z.int().min(0)

/** US dollars. */
export const dollars = z.number()

/** 0 to 1. */
export const fraction = z.number()

export const milliseconds = z.number().min(0)

/** A JSON object whose keys are not ours to list. */
export const jsonObject = z.record(z.string(), z.unknown())
