/**
 * What the models that ship with the service say of their input and their answers, in Russian, by their English words:
 * names of fields, their hints, values of choices. Other models speak for themselves. A test compares this with the models.
 */

/** @type {Record<string, string>} */
export default {
  "Comes back as it is.": "Вернётся как есть.",
  "The text; its first 600 characters count.": "Текст; учитываются первые 600 символов.",
  "The text; its first 512 tokens count, some 1,600 characters of Russian or 2,000 of English.":
    "Текст; учитываются первые 512 токенов: около 1600 символов по-русски или 2000 по-английски.",
  "passage for texts that are to be found; query for what is searched for, and for all texts where they are only compared with each other.":
    "passage — для текстов, которые нужно находить; query — для того, что ищут, и для всех текстов, если их только сравнивают между собой.",
  "Content": "Файл",
  "Description": "Описание",
  "Mime type": "Тип MIME",
  Alternatives: "Другие варианты",
  "Group": "Группа",
  "Extensions": "Расширения",
  "Is text": "Текстовый",
  "Kind": "Для чего текст",
  "passage": "passage (отрывок)",
  "query": "query (вопрос)",
  "The file's bytes, as base64.": "Содержимое файла; через API — в base64.",
  "The text, in Russian; all of it is read.": "Текст на русском; читается целиком.",
  "The text; its first 500 characters count.": "Текст; учитываются первые 500 символов.",
  "The text, in Russian or English; the first 400 to 500 characters weigh most.":
    "Текст на русском или английском; важнее всего первые 400–500 символов.",
  "The text, in Russian or English; of a long one, the first and the last 400 to 500 characters weigh most.":
    "Текст на русском или английском; в длинном важнее всего первые и последние 400–500 символов.",
};
