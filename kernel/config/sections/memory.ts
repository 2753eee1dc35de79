import {
  choice,
  flag,
  fraction,
  integer,
  number,
  optionalText,
  requiredText,
  section,
  table,
  tableList,
  text,
  textList,
} from '../fields.ts'

const mebibyte = 1_048_576

export const memory = section({
  working_budget_pct: number(30, 0, 100),
  episodic_budget_pct: number(25, 0, 100),
  semantic_budget_pct: number(20, 0, 100),
  procedural_budget_pct: number(15, 0, 100),
  relationship_budget_pct: number(10, 0, 100),
  embedding_provider: optionalText(),
  embedding_model: optionalText(),
  hybrid_weight: fraction(0.5),
  ann_index: flag(false),
  extract_by_model: flag(true),
})

export const knowledge = section({
  sources: tableList(
    table({
      name: requiredText('source'),
      source_type: choice(['directory', 'file', 'url', 'git', 'vault'], 'directory'),
      path: optionalText(),
      url: optionalText(),
      max_chunks: integer(10, 1, 10_000),
    }),
  ),
})

export const obsidian = section({
  enabled: flag(false),
  vault_path: optionalText(),
  auto_detect: flag(false),
  auto_detect_paths: textList(),
  index_on_start: flag(true),
  watch_for_changes: flag(false),
  ignored_folders: textList(['.obsidian', '.trash', '.git']),
  template_folder: text('templates'),
  default_folder: text('keel'),
  preferred_destination: flag(true),
  tag_boost: fraction(0.2),
})

export const multimodal = section({
  enabled: flag(false),
  media_dir: optionalText(),
  max_image_size_bytes: integer(10 * mebibyte, 1),
  max_audio_size_bytes: integer(25 * mebibyte, 1),
  max_video_size_bytes: integer(50 * mebibyte, 1),
  max_document_size_bytes: integer(50 * mebibyte, 1),
  vision_model: optionalText(),
  transcription_model: optionalText(),
  auto_transcribe_audio: flag(false),
  auto_describe_images: flag(false),
})
