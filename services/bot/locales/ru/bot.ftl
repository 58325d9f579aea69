# Что говорит бот, по-русски. Те же сообщения стоят в ../en/bot.ftl; за этим следит тест.

credits = { $count ->
    [one] { $count } кредит
    [few] { $count } кредита
   *[other] { $count } кредитов
}
predictions = { $count ->
    [one] { $count } запрос
    [few] { $count } запроса
   *[other] { $count } запросов
}
rows = { $count ->
    [one] { $count } строка
    [few] { $count } строки
   *[other] { $count } строк
}
seconds = { $count ->
    [one] { $count } секунду
    [few] { $count } секунды
   *[other] { $count } секунд
}
minutes = { $count ->
    [one] { $count } минуту
    [few] { $count } минуты
   *[other] { $count } минут
}
hours = { $count ->
    [one] { $count } час
    [few] { $count } часа
   *[other] { $count } часов
}

# Приветствие и справка
start = 👋 Здравствуйте, { $name }!
    Пришлите текст, и модель <b>{ $model }</b> ответит. Один ответ стоит { $price }.

    Ваш баланс: <b>{ $balance }</b>.

    Всё, что я умею: /help
help = <b>Что я умею</b>

    Пришлите текст — ответит выбранная модель.
    /predict <i>текст</i> — отправить запрос; без текста — спрошу его
    /batch — много текстов сразу: по одному в строке или файл .txt или .csv
    /history — ваши запросы и ответы
    /balance — кредиты и последние операции
    /models — выбрать модель
    /link <i>код</i> — подключить этот чат к вашему аккаунту API
    /unlink — отсоединить аккаунт API
    /delete_me — удалить всё, что я о вас храню
    /notify — присылать сюда ответы на запросы по API или нет
    /language — Русский или English
    /cancel — отменить начатое
    /stop — не присылать сообщений, пока вы не напишете
stopped = 🔕 Больше не пишу. Готовые ответы будут в /history. Чтобы я снова писал, пришлите что угодно.
language-choose = 🌐 Выберите язык
language-chosen = ✅ Теперь пишу по-русски.

# Запросы
predict-ask = ✍️ Пришлите текст для модели <b>{ $model }</b>. Передумали? /cancel
accepted = ⏳ <b>Принято.</b> Ответ придёт примерно через { $wait }.
    Цена: { $cost } · баланс: { $balance }
accepted-idle = ⏳ <b>Принято.</b> Модель сейчас не запущена; ответ придёт, как только она заработает.
    Цена: { $cost } · баланс: { $balance }
accepted-batch = ⏳ <b>Принято: { $predictions }.</b> Все ответы придут одним файлом.
    Цена: { $cost } · баланс: { $balance }
button-cancel = ✖️ Отменить
button-cancel-batch = ✖️ Отменить пакет
button-again = 🔁 Ещё раз
button-back = ⬅️ Назад
button-older = Раньше ▶️
button-newer = ◀️ Позже
button-file = 📎 Полный ответ
button-batch-file = 📎 Все ответы
button-batch-rest = 📎 Следующие ответы
again-done = Запрос отправлен ещё раз.
not-understood = Я понимаю тексты и файлы .txt и .csv. Всё, что я умею: /help
edited = ✏️ Отправленное изменить уже нельзя. Пришлите исправленный текст новым сообщением.
group-first = 👋 Сначала напишите мне в личные сообщения: @{ $bot }. После этого я смогу отвечать вам здесь.
group-empty = Напишите текст после команды: <code>/predict@{ $bot } ваш текст</code>
group-needs-text = Модели <b>{ $model }</b> мало одного текста. Спросите её в личных сообщениях или выберите там другую: /models
group-no-credits = 💸 У вас не хватает кредитов. Баланс покажу в личных сообщениях.
given-up = ⚠️ Что-то пошло не так, запрос не обработан. Отправленные запросы — в /history.
unknown-command = Такой команды нет. Что я умею: /help
nothing-to-cancel = Отменять нечего.
dialog-canceled = ✖️ Отменено.
canceled-popup = Отменено, кредиты возвращены.

# Ответы
answer-foot = <i>{ $model } { $version } · { $time } · { $cost }</i>
time = { $seconds }{"\u00A0"}с
shortest-time = &lt;0,1{"\u00A0"}с
answer-failed = ❌ <b>Ошибка</b>: { $reason }
    Возвращено: { $cost }
answer-canceled = ✖️ <b>Отменено.</b> Возвращено: { $cost }
answer-expired = ⌛ <b>Время вышло</b>: ответ не успел к сроку. Возвращено: { $cost }
answer-below = ⬇️ Ответ ниже.
answer-queued = ⏳ <b>В очереди</b>
answer-processing = ⚙️ <b>Обрабатывается</b>
notice-webhook-disabled-failing = 🔕 Вебхук { $url } выключен: получатель уже несколько дней не принимает сообщения. Включить его снова можно на странице, в разделе «Разработчикам».
notice-webhook-disabled-gone = 🔕 Вебхук { $url } выключен: получатель сообщил, что его больше нет. Включить его снова можно на странице, в разделе «Разработчикам».
answer-deleted = 🗑 Запрос удалён: вышел срок хранения ответов.
answer-refused = ⚠️ Ответ готов, но показать его здесь не получилось. Он есть в /history.
output-cut = Ответ длинный, целиком он в файле.
output-nothing = Ничего не нашлось.
output-numbers = [{ $first }, … ] (чисел: { $count })
text-erased = Текст больше не хранится
reason-erased = причина больше не хранится.
input-file = 📎 файл, { $kilobytes }{"\u00A0"}КБ
output-file-name = otvet.json
percent = { NUMBER($share, minimumFractionDigits: 1, maximumFractionDigits: 1) }{"\u00A0"}%
yes = да
no = нет
batch-done = ✅ <b>Пакет готов</b>: успешно { $done } из { $total }.
batch-failed = С ошибкой: { $count }; кредиты за них возвращены.
batch-canceled-rows = Отменено: { $count }; кредиты за них возвращены.
batch-canceled-early = ✖️ <b>Пакет отменён</b>: успешно { $done } из { $total }.
batch-canceled-early-unanswered = ✖️ <b>Пакет отменён</b> до первого ответа. Ничего не списано.
batch-failed-early = ❌ <b>Пакет обработан не до конца</b>: { $reason }
    Успешно { $done } из { $total }.
batch-failed-early-unanswered = ❌ <b>Пакет не обработан</b>: { $reason }
    Ничего не списано.
batch-labels = { $label }: { $count }
batch-paid = Списано: { $cost }
batch-file = Все ответы — в файле.
batch-file-cut = Слишком длинный для файла ответ пропущен.
batch-file-part = В файл вошли ответы по строку { $last } включительно: больше в один файл Telegram не берёт. Остальные — по кнопке.
batch-file-refused = ⚠️ Telegram не принял файл. Все ответы — в /history.
batch-file-name = otvety.csv
csv-delimiter = ;

# Метки и языки
label-positive = 🙂 положительный
label-neutral = 😐 нейтральный
label-negative = 🙁 отрицательный
spans-person = 👤 Люди
spans-place = 📍 Места
spans-organization = 🏢 Организации
language-ar = арабский
language-be = белорусский
language-bg = болгарский
language-cs = чешский
language-de = немецкий
language-en = английский
language-es = испанский
language-fi = финский
language-fr = французский
language-he = иврит
language-hi = хинди
language-hy = армянский
language-it = итальянский
language-ja = японский
language-ka = грузинский
language-kk = казахский
language-ko = корейский
language-mk = македонский
language-nl = нидерландский
language-pl = польский
language-pt = португальский
language-ru = русский
language-sr = сербский
language-sv = шведский
language-tr = турецкий
language-tt = татарский
language-uk = украинский
language-und = не удалось определить
language-uz = узбекский
language-zh = китайский

# Пакеты
batch-ask = 📄 Пришлите тексты, по одному в строке, или файл .txt или .csv. Передумали? /cancel
batch-understood = 📄 <b>{ $name }</b>: { $rows }
batch-understood-text = 📄 <b>{ $rows }</b>
batch-column = Столбец с текстами: <b>{ $column }</b>
batch-columns = Столбцы: <b>{ $columns }</b>
batch-blank = Пропущено пустых строк: { $count }
batch-unreadable = ⚠️ Строк с нечитаемыми символами: { $count }
batch-price = Модель: <b>{ $model }</b>
    Цена: <b>{ $cost }</b> · баланс: { $balance }
batch-too-expensive = 💸 На этот пакет кредитов не хватает.
batch-one-file = ☝️ Я обрабатываю по одному файлу. Взят первый из присланных.
button-batch-yes = ✅ Отправить: { $cost }
button-batch-no = ✖️ Отменить
button-batch-column = Взять столбец: { $column }
batch-dropped = ✖️ Отменено. Ничего не списано.
batch-canceled = { $count ->
    [one] Отменён { $count } запрос, кредиты возвращены.
    [few] Отменено { $count } запроса, кредиты возвращены.
   *[other] Отменено { $count } запросов, кредиты возвращены.
}
batch-errors = { $count ->
    [one] ⚠️ <b>{ $count } строка не подходит.</b> Ничего не списано.
    [few] ⚠️ <b>{ $count } строки не подходят.</b> Ничего не списано.
   *[other] ⚠️ <b>{ $count } строк не подходят.</b> Ничего не списано.
}
batch-row-error = <b>Строка { $row }</b>: { $reason }
batch-more-errors = … и ещё { $count }
batch-errors-next = Исправьте файл и пришлите его ещё раз.
batch-errors-rest = Остальное можно отправить: { $rows }.
batch-cells = ячеек в строке — { $count }, а столбцов — { $columns }
batch-empty = Здесь нет текстов.
batch-too-many = Слишком много строк; можно не больше { $max }.
file-too-big = Файл слишком большой: можно до { $kilobytes }{"\u00A0"}КБ.
batch-file-too-big = Файл слишком большой; можно не больше { $megabytes }{"\u00A0"}МБ.
batch-file-kind = Я читаю только файлы .txt и .csv.
batch-file-not-text = В этом файле не текст. Сохраните его как CSV или как простой текст и пришлите ещё раз.
batch-file-not-fetched = ⚠️ Telegram не отдал файл. Пришлите его ещё раз.
batch-needs-text = Модели { $model } одного текста мало. Пришлите файл .csv, в котором есть столбец для каждого из этих полей: { $fields }

# Баланс
balance = 💳 <b>Баланс: { $balance }</b>
    Удержано за незавершённые запросы: { $held }
balance-account = Аккаунт: { $username }
balance-last = <b>Последние операции</b>
balance-line = { $date } · { $what } · <b>{ $change }</b>
balance-none = Операций пока нет.
balance-many = { $what } × { $count }
kind-grant = стартовые кредиты
kind-top_up = пополнение
kind-hold = запрос
kind-capture = запрос оплачен
kind-release = возврат
kind-transfer = перенос между вашими аккаунтами
kind-adjustment = корректировка
kind-refund = возврат оплаты
kind-chargeback = платёж отозван

# История
history-title = 🗂 <b>История</b>, страница { $page }
history-batch = Пакет: успешно { $done } из { $total }
history-none = Здесь пока ничего нет.
history-none-here = В этой части истории ничего не нашлось; дальше — по кнопкам.
filter-all = Все
filter-done = ✅ Готовые
filter-open = ⏳ В работе
filter-failed = ❌ С ошибкой

# Модели и анкеты
models-title = 🧠 <b>Модели</b>. Нажмите, чтобы выбрать.
models-none = Пока нет доступных моделей. Попробуйте через минуту.
models-line = <b>{ $name }</b> { $version } · { $price } · { $state }
    { $description }
models-live = 🟢 работает
models-away = ⚪️ временно недоступна
model-chosen = ✅ Выбрана модель <b>{ $model }</b>. { $how }
model-how-text = Пришлите текст — ответит выбранная модель.
model-how-file = Пришлите файл или картинку — ответит выбранная модель.
model-how-form = /predict спросит поля по одному; можно прислать их и в виде JSON.
form-field = ✏️ <b>{ $model }</b>, поле { $number } из { $total }: <b>{ $field }</b>
form-optional = (можно пропустить)
form-default = (можно пропустить; по умолчанию: { $value })
form-begins = Эта модель спрашивает поля по одному. Для первого ваш текст не подходит: { $reason }.
form-taken = ✅ { $field }: { $value }
form-no-file = нужен файл
form-file = Пришлите файл или картинку.
form-skip = Пропустить
form-wrong-number = Это не число. Попробуйте ещё раз или нажмите /cancel
form-wrong-integer = Это не целое число. Попробуйте ещё раз или нажмите /cancel
form-wrong-size = Это число выходит за допустимые пределы. Попробуйте ещё раз или нажмите /cancel
form-wrong-json = Это не JSON. Попробуйте ещё раз или нажмите /cancel
form-wrong-choice = Нажмите одну из кнопок или /cancel
form-wrong-value = ⚠️ Значение не подходит: { $reason }. Попробуйте ещё раз или нажмите /cancel
form-old = Этот вопрос уже закрыт.

# Что не подходит по схеме модели
schema-at = { $field }: { $words }
schema-required = не хватает поля { $field }
schema-unknown = неизвестные поля: { $fields }
schema-meant = { $field } (может быть, { $near }?)
schema-enum = допустимые значения: { $options }
schema-type = здесь нужно: { $kinds }
schema-type-string = текст
schema-type-number = число
schema-type-integer = целое число
schema-type-boolean = да или нет
schema-type-array = список
schema-type-object = объект
schema-type-null = пусто
decimal-sign = ,
schema-minimum = нужно не меньше { $limit }
schema-maximum = нужно не больше { $limit }
schema-exclusiveMinimum = нужно больше { $limit }
schema-exclusiveMaximum = нужно меньше { $limit }
schema-multipleOf = нужно число, кратное { $limit }
schema-minLength = слишком коротко, минимум символов: { $limit }
schema-maxLength = слишком длинно, максимум символов: { $limit }
schema-minItems = слишком мало элементов, минимум: { $limit }
schema-maxItems = слишком много элементов, максимум: { $limit }
schema-uniqueItems = элементы повторяются
schema-pattern = не тот формат
schema-format = не тот формат
schema-const = не то значение
schema-other = не то, чего ждёт модель

# Подключение аккаунта
link-how = 🔗 Чтобы подключить этот чат к вашему аккаунту API, нажмите на странице сервиса «Аккаунт» → «Подключить Telegram» или запросите у API код:
    <pre>POST /users/me/telegram</pre>
    Откройте ссылку из ответа или пришлите мне <code>/link КОД</code> в течение десяти минут. Купленные в этом чате кредиты перейдут на тот аккаунт; неизрасходованные стартовые останутся здесь.
link-ask = 🔗 Подключить этот чат к аккаунту <b>{ $username }</b>?
    За запросы отсюда будет платить тот аккаунт, его владелец сможет их прочитать, и туда перейдут купленные здесь кредиты: { $moved }. Неизрасходованные стартовые останутся.

    Соглашайтесь, только если запросили код сами.
button-link = ✅ Подключить: { $username }
button-link-no = ✖️ Нет
link-dropped = ✖️ Отменено. Ничего не изменилось.
link-old = Этот вопрос уже закрыт. Пришлите /link КОД ещё раз.
link-done = 🔗 Теперь чат подключён к аккаунту <b>{ $username }</b>. Перенесено: { $moved } · баланс: { $balance }
    Отсоединить: /unlink
link-already = Этот чат подключён к аккаунту <b>{ $username }</b>. Отсоединить: /unlink
link-wrong = Код неверный, уже использован или старше десяти минут. Запросите новый.
unlinked = Аккаунт отсоединён, чат снова платит сам; баланс: { $balance }. Перенесённые кредиты остаются на аккаунте.
unlink-none = Этот чат и так платит сам.
delete-ask = 🗑 Удалить всё, что я о вас храню? Запросы, ответы и файлы, ваши настройки и собственный аккаунт этого чата, на котором { $balance }. Вернуть это будет нельзя.

    Останутся суммы в журнале операций, без имени, и номер этого чата — чтобы стартовые кредиты не выдавались дважды. Сообщения в самом Telegram останутся, пока вы их не удалите.
delete-account-stays = Аккаунт API <b>{ $username }</b> останется, а чат отсоединится от него. Удалить его можно на странице или через API.
button-delete = 🗑 Удалить всё
button-delete-no = ✖️ Нет
delete-dropped = ✖️ Отменено. Ничего не удалено.
delete-old = Этот вопрос уже закрыт. Отправьте /delete_me ещё раз.
delete-done = 🗑 Готово. Незавершённые запросы отменяются, тексты стираются; это займёт около минуты.
notify-none = Сначала подключите чат к вашему аккаунту API: /link
notify-on = 🔔 Ответы на запросы по API будут приходить сюда.
notify-off = 🔕 Ответы на запросы по API больше не будут приходить сюда — кроме тех, для которых это указано в самом запросе.
notify-ask = Присылать сюда ответы на ваши запросы по API?
button-notify-on = 🔔 Да
button-notify-off = 🔕 Нет

# Администраторам
admin-only = Эта команда для администраторов. Подключить чат к аккаунту администратора: /link
admin = 🛠 <b>Сервис</b>
    В работе: { $open }, ещё не отправлено: { $unsent }
    Очередь: { $queue }
    Ещё не доставлено в чаты: { $owed }
admin-queue = сообщений готово: { $ready }, потребителей: { $consumers }
admin-queue-away = не отвечает
admin-workers = <b>Воркеров: { $count }</b>
admin-worker = { $state } { $id }: { $models }
admin-model-failed = 🔴 Модель { $name } не загружается: { $reason }
admin-failures = <b>Ошибки за последний час</b>
admin-failure = { $code }: { $count }
admin-no-failures = нет
alert-no-workers = 🚨 <b>Ни один воркер не работает.</b> Ждут: { $open }. Подробнее: /admin
alert-workers-back = ✅ Воркеры снова работают.

# Ошибки: по одной на каждый код из ml_service/domain/errors.py
error-invalid_input = ⚠️ Модель это не принимает: { $message }
error-unauthenticated = ⚠️ Такого аккаунта больше нет.
error-wrong_credentials = ⚠️ Неверное имя или пароль.
error-permission_denied = ⚠️ Недостаточно прав.
error-forbidden = ⚠️ Вашей роли это не разрешено.
error-blocked = ⛔ Аккаунт заблокирован. Обратитесь к администратору сервиса.
error-model_disabled = ⚠️ Эта модель сейчас отключена. Другие модели: /models
error-scope_missing = ⚠️ Этому ключу API это не разрешено.
error-model_not_allowed = ⚠️ Этому ключу API эта модель не разрешена.
error-key_cap_exceeded = 💸 Лимита трат этого ключа API на это не хватает.
error-max_credits_exceeded = 💸 Это стоит больше, чем разрешено в запросе.
error-insufficient_credits = 💸 Не хватает кредитов. Цена: { $cost } · баланс: { $balance }
error-not_found = ⚠️ Такого запроса нет. Возможно, он удалён: вышел срок хранения.
error-model_not_found = ⚠️ Такой модели нет. Доступные модели: /models
error-username_taken = ⚠️ Это имя занято.
error-last_admin = ⚠️ Вы последний администратор. Сначала назначьте другого.
error-account_deleted = ⚠️ Этот аккаунт удалён.
error-already_finished = Уже завершено.
error-idempotency_key_reused = ⚠️ Этот запрос уже отправлен с другим текстом.
error-too_many_queued = ⏳ У вас много незавершённых запросов. Подождите ответов или пришлите тексты пакетом: /batch
error-too_many_requests = ⏳ Слишком много попыток. Подождите { $wait } и попробуйте снова.
error-overloaded = ⏳ Сервис перегружен. Ничего не списано; попробуйте через несколько минут.
error-unavailable = ⏳ Сервис временно недоступен. Ничего не списано; попробуйте через несколько минут.
error-database_unavailable = ⏳ База данных временно недоступна. Ничего не списано; попробуйте через несколько минут.
error-queue_unavailable = ⏳ Очередь временно недоступна; попробуйте через несколько минут.

# Профиль и меню бота
profile-about = Ответы моделей машинного обучения за кредиты.
profile-description = Пришлите текст, и модель ответит: что это, насколько она уверена и сколько это заняло. Всё, что я умею: /help
command-start = Начать
command-predict = Запрос к выбранной модели
command-batch = Много текстов сразу
command-history = Ваши запросы и ответы
command-balance = Кредиты и операции
command-models = Выбрать модель
command-link = Подключить аккаунт API
command-notify = Ответы на запросы по API
command-language = Русский / English
command-cancel = Отменить начатое
command-stop = Не присылать сообщений
command-delete_me = Удалить мои данные
command-help = Что я умею

# Почему запрос не удался: коды воркера; если кода здесь нет, показываются слова самой модели.
failure-model_timeout = модель не уложилась в отведённое время.
failure-model_out_of_memory = модели не хватило памяти.
failure-model_busy = ресурс, который нужен модели, так и не освободился.
failure-model_crashed = модель аварийно завершилась.
failure-attempts_exhausted = не получилось за несколько попыток.
failure-version_gone = этой версии модели больше нет.
failure-output_invalid = ответ модели не соответствует её схеме.
