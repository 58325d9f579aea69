/**
 * What the models that ship with the service say of themselves, in Russian, by their English words: descriptions, names
 * of fields, values of choices. Other models speak for themselves. A test compares this with the models.
 */

/** @type {Record<string, string>} */
export default {
  "Returns its input unchanged. For benchmarks and tests: it measures the service itself.":
    "Возвращает то, что получила. Для замеров и тестов: показывает скорость самого сервиса.",
  "Comes back as it is.": "Вернётся как есть.",
  "Turns a text in one of 16 languages into a vector of 512 numbers and of length 1: texts that mean the same lie close, across languages too. The product of two vectors is their similarity. For search, grouping and finding duplicates.":
    "Превращает текст на одном из 16 языков в вектор из 512 чисел, длины 1. Близкие по смыслу тексты лежат рядом, даже на разных языках. Произведение двух векторов показывает их сходство. Для поиска, группировки и удаления дублей.",
  "The text; its first 600 characters count.": "Текст; учитываются первые 600 символов.",
  "Turns a text into a vector of 384 numbers and of length 1, for search: the product of a question's vector and a passage's says how well the passage answers it. About a hundred languages, across languages too. Unrelated texts come to .7 to .8: compare products, do not take one for a percentage.":
    "Превращает текст в вектор из 384 чисел, длины 1, для поиска: произведение векторов вопроса и отрывка показывает, насколько хорошо отрывок отвечает на вопрос. Около ста языков, в том числе между языками. У несвязанных текстов оно от 0,7 до 0,8: сравнивайте произведения, процентами их не считайте.",
  "The text; its first 512 tokens count, some 1,600 characters of Russian or 2,000 of English.":
    "Текст; учитываются первые 512 токенов: около 1600 символов по-русски или 2000 по-английски.",
  "passage for texts that are to be found; query for what is searched for, and for all texts where they are only compared with each other.":
    "passage – для текстов, которые должны находиться; query – для того, что ищут, и для всех текстов, если их только сравнивают между собой.",
  "Says what kind of file some bytes are, whatever the file is called: one of some 200 kinds of documents, images, archives, programs, source code and data. For files of up to 45,000 bytes.":
    "Определяет по содержимому, что это за файл, как бы он ни назывался: один из примерно 200 видов документов, изображений, архивов, программ, исходного кода и данных. Для файлов до 45 000 байт.",
  "Content": "Файл",
  "Kind": "Для чего текст",
  "passage": "passage (отрывок)",
  "query": "query (вопрос)",
  "The file's bytes, as base64.": "Содержимое файла; через API — в base64.",
  "Says which of 176 languages a text is in, and how sure it is. Reliable from about 25 characters; short texts in Russian are taken for a related language about one time in nine.":
    "Определяет, на каком из 176 языков написан текст и насколько это точно. Надёжна примерно от 25 символов; короткий русский текст примерно в одном случае из девяти принимает за родственный язык.",
  "The text; its first 500 characters count.": "Текст; учитываются первые 500 символов.",
  "Says whether a Russian or English text is positive, neutral or negative, and how sure it is. Made for reviews, comments and messages of one to a few sentences. It also answers neutral where it cannot tell. Sarcasm and double negation («Не плохо») mislead it.":
    "Определяет, положительный ли текст на русском или английском, нейтральный или отрицательный, и насколько это точно. Для отзывов, комментариев и сообщений в несколько предложений. «Нейтральный» она отвечает и тогда, когда трудно сказать. Сарказм и двойное отрицание («Не плохо») сбивают её с толку.",
  "Says what sentiment says, four times as fast and more often wrong, above all in Russian: for many texts where single answers do not matter. Neutral means only that it cannot tell.":
    "Отвечает то же, что sentiment, вчетверо быстрее, но ошибается чаще, прежде всего на русском: для множества текстов, где отдельные ответы не важны. «Нейтральный» значит лишь, что трудно сказать.",
  "The text, in Russian or English; the first 400 to 500 characters weigh most.":
    "Текст на русском или английском; важнее всего первые 400–500 символов.",
};
