/**
 * What the service says is wrong with what was typed, in Russian, by its English words; # is a number. Most of it the page
 * tells itself before it asks. A test compares this with the service.
 */

/** @type {Record<string, string>} */
export default {
  "A user name has # to # characters.": "Имя — от # до # символов.",
  "A user name consists of letters, digits and . _ @ + - and begins and ends with a letter or a digit.":
    "Имя состоит из букв, цифр и знаков . _ @ + -, первый и последний знак — буква или цифра.",
  "A user name has letters of one script only.": "Буквы имени — из одного алфавита: только русские или только латинские.",
  "This user name looks like another one; choose a different name.": "Это имя похоже на чужое. Выберите другое.",
  "A password has # to # characters.": "Пароль — от # до # символов.",
  "A NUL character is not allowed.": "Нулевого символа в пароле быть не может.",
  "A password is UTF-# text.": "В пароле есть символы, которых нет в UTF-#.",
  "This password is among the most common ones; choose another.": "Это один из самых частых паролей. Придумайте другой.",
  "The password must differ from the user name.": "Пароль не должен совпадать с именем.",

  "This is not a URL.": "Это не адрес.",
  "A URL has at most # characters.": "Адрес длиннее # символов.",
  "A URL has no spaces, backslashes or control characters.": "В адресе не бывает пробелов, обратной косой черты и управляющих символов.",
  "The URL begins with https:// or http://.": "Адрес начинается с https:// или http://.",
  "A URL with a user name or a password is not taken; the signature says who sends.":
    "Имя и пароль в адресе не нужны: отправителя подтверждает подпись.",
  "The URL names no host.": "В адресе нет имени сервера.",
  "Messages are not sent to port #.": "На порт # сообщения не отправляются.",
  "An address is written like #.#.#.#.": "Адрес записывается так: #.#.#.#.",
  "Messages are not sent to private or reserved addresses.":
    "На адреса внутренних сетей и зарезервированные сообщения не отправляются.",
  "An account has at most # webhooks; delete one first.": "У аккаунта не больше # вебхуков. Сначала удалите один.",
  "The webhook is switched off; switch it on first.": "Вебхук выключен. Сначала включите его.",

  "This time is in the past.": "Этот день уже прошёл.",
  "A name has # to # characters, without control or invisible ones.": "Название — от # до # символов, без управляющих и невидимых.",
  "A key is for at most # models, each by its name.": "Ключ — не больше чем для # моделей, каждая по имени.",

  "Give a reason of at most # characters.": "Укажите причину, не длиннее # символов.",
  "Admins cannot block themselves.": "Себя заблокировать нельзя.",
  "One movement by hand has at most # credits.": "За один раз — не больше # кредитов.",
};
