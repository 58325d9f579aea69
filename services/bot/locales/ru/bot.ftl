# Что говорит бот, по-русски. Те же сообщения стоят в ../en/bot.ftl; за этим следит тест.

credits = { $count ->
    [one] { $count } кредит
    [few] { $count } кредита
   *[other] { $count } кредитов
}
predictions = { $count ->
    [one] { $count } предсказание
    [few] { $count } предсказания
   *[other] { $count } предсказаний
}
seconds = { $count ->
    [one] { $count } секунду
    [few] { $count } секунды
   *[other] { $count } секунд
}

# Приветствие и справка
start = 👋 Здравствуйте, { $name }!
    Пришлите текст, и модель <b>{ $model }</b> ответит. Один ответ стоит { $price }.

    Ваш баланс: <b>{ $balance }</b>.

    Всё, что я умею: /help
help = <b>Что я умею</b>

    Любой текст – это вопрос выбранной модели.
    /predict <i>текст</i> – спросить; без текста я его подожду
    /batch – много текстов сразу: по одному в строке, или файл .txt или .csv
    /history – ваши вопросы и ответы
    /balance – кредиты и последние операции
    /models – выбрать модель
    /link <i>код</i> – объединить этот чат с вашим аккаунтом API
    /unlink – снова платить со своего счёта этого чата
    /language – Русский или English
    /cancel – бросить незаконченный вопрос
    /stop – не присылать сообщений, пока вы не напишете
stopped = 🔕 Молчу. Начатое продолжается и ждёт в /history. Чтобы продолжить, напишите что угодно.
language-choose = 🌐 На каком языке говорить?
language-chosen = ✅ Теперь я говорю по-русски.

# Вопросы
predict-ask = ✍️ Пришлите текст для модели <b>{ $model }</b>. Передумали – /cancel.
accepted = ⏳ <b>Принято</b>, ответ примерно через { $seconds }.
    Цена: { $cost }, баланс: { $balance }.
accepted-idle = ⏳ <b>Принято.</b> Модель сейчас не запущена; ответ придёт, как только она запустится.
    Цена: { $cost }, баланс: { $balance }.
accepted-batch = ⏳ <b>Принято: { $predictions }</b>.
    Цена: { $cost }, баланс: { $balance }.
button-cancel = ✖️ Отменить
button-again = 🔁 Ещё раз
button-back = ⬅️ Назад
button-older = Раньше ▶️
button-newer = ◀️ Позже
again-done = Спросил ещё раз.
not-understood = Я понимаю тексты и файлы .txt и .csv. Что я умею: /help
given-up = ⚠️ Здесь что-то сломалось, и у меня не получилось. Что успело спроситься, стоит в /history.
unknown-command = Такой команды я не знаю. Что я умею: /help
nothing-to-cancel = Отменять нечего.
dialog-canceled = ✖️ Забыто.
canceled-popup = Отменено; кредиты возвращены.

# Ответы
answer-foot = <i>{ $model } { $version } · { $time } с · { $cost }</i>
answer-failed = ❌ <b>Не получилось</b>: { $reason }
    Возвращено: { $cost }.
answer-canceled = ✖️ <b>Отменено.</b> Возвращено: { $cost }.
answer-expired = ⌛ <b>Срок истёк</b>: ни один воркер не освободился вовремя. Возвращено: { $cost }.
answer-below = ⬇️ Ответ ниже.
answer-queued = ⏳ <b>В очереди</b>
answer-processing = ⚙️ <b>Выполняется</b>
percent = { NUMBER($share, minimumFractionDigits: 1, maximumFractionDigits: 1) } %
label-positive = 🙂 положительный
label-neutral = 😐 нейтральный
label-negative = 🙁 отрицательный
yes = да
no = нет
batch-done = ✅ <b>Пакет готов</b>: успешно { $done } из { $total }.
batch-failed = Не получилось: { $count }; кредиты за них возвращены.
batch-labels = { $label }: { $count }
batch-paid = Оплачено: { $cost }.
batch-file = Все ответы – в файле.
batch-file-name = otvety.csv

# Пакеты
batch-ask = 📄 Пришлите тексты, по одному в строке, или файл .txt или .csv (UTF-8). Передумали – /cancel.
batch-empty = Здесь нет текста.
batch-too-many = Строк слишком много ({ $count }); можно не больше { $max }.
batch-file-too-big = Файл слишком большой; можно не больше { $kilobytes } КБ.
batch-file-kind = Я читаю только файлы .txt и .csv.
batch-needs-text = Модель { $model } не принимает простой текст; в файле .csv нужен столбец для каждого её поля: { $fields }.

# Баланс
balance = 💳 <b>Баланс: { $balance }</b>
    Отложено на незаконченные предсказания: { $held }
balance-account = Аккаунт: { $username }
balance-last = <b>Последние операции</b>
balance-line = { $date } · { $what } · <b>{ $change }</b>
balance-none = Операций пока нет.
kind-grant = начальные кредиты
kind-top_up = пополнение
kind-hold = предсказание
kind-capture = оплачено предсказание
kind-release = возвращено
kind-transfer = перенос между вашими аккаунтами
kind-adjustment = исправление

# История
history-title = 🗂 <b>История</b>, страница { $page }
history-none = Здесь пока ничего нет.
filter-all = Все
filter-done = ✅ Готовые
filter-open = ⏳ Открытые
filter-failed = ❌ Неудачные
history-asked = Спрошено { $date } UTC

# Модели и анкеты
models-title = 🧠 <b>Модели</b>. Нажмите, чтобы выбрать.
models-none = Ни один воркер ещё не объявил модель. Попробуйте через минуту.
models-line = <b>{ $name }</b> { $version } · { $price } · { $state }
    { $description }
models-live = 🟢 работает
models-away = ⚪️ сейчас нет воркера
model-chosen = ✅ Выбрана <b>{ $model }</b>. { $how }
model-how-text = Пришлите текст.
model-how-form = /predict спросит её поля по одному; можно и прислать их как JSON.
form-field = ✏️ <b>{ $model }</b>, поле { $number } из { $total }: <b>{ $field }</b>
form-optional = (можно пропустить)
form-skip = Пропустить
form-wrong-number = Это не число. Ещё раз, или /cancel.
form-wrong-integer = Это не целое число. Ещё раз, или /cancel.
form-wrong-json = Это неверный JSON. Ещё раз, или /cancel.
form-wrong-choice = Выберите одну из кнопок, или /cancel.
form-old = На этот вопрос уже отвечено.

# Объединение аккаунтов
link-how = 🔗 Чтобы объединить этот чат с вашим аккаунтом API, попросите у API код:
    <pre>POST /users/me/telegram</pre>
    Откройте ссылку из ответа или пришлите мне <code>/link КОД</code> в течение десяти минут. Кредиты этого чата перейдут на тот аккаунт.
link-ask = 🔗 Объединить этот чат с аккаунтом <b>{ $username }</b>?
    Тогда за вопросы отсюда платит тот аккаунт, его владелец может их прочесть, и туда же перейдёт баланс чата: { $moved }.

    Соглашайтесь, только если код сделали вы сами.
button-link = ✅ Объединить: { $username }
button-link-no = ✖️ Нет
link-dropped = ✖️ Ничего не объединено.
link-old = Этот вопрос уже закрыт. Пришлите /link КОД ещё раз.
link-done = 🔗 Этот чат теперь пользуется аккаунтом <b>{ $username }</b>. Перенесено: { $moved }, баланс: { $balance }.
    Отсоединить: /unlink
link-already = Этот чат пользуется аккаунтом <b>{ $username }</b>. Отсоединить: /unlink
link-wrong = Код неверный, уже использован или старше десяти минут. Сделайте новый.
unlinked = Этот чат снова платит со своего счёта; баланс: { $balance }. Что перенесено, остаётся там.
unlink-none = Этот чат и так платит со своего счёта.

# Администраторам
admin-only = Это для администраторов. /link объединит этот чат с аккаунтом администратора.
admin = 🛠 <b>Сервис</b>
    Не закончено: { $open }, ещё не отправлено: { $unsent }
    Очередь: { $queue }
    Ответов ждут чаты: { $owed }
admin-queue = сообщений готово: { $ready }, потребителей: { $consumers }
admin-queue-away = не отвечает
admin-workers = <b>Воркеров: { $count }</b>
admin-worker = { $state } { $id }: { $models }
admin-failures = <b>Неудачи за последний час</b>
admin-failure = { $code }: { $count }
admin-no-failures = нет
alert-no-workers = 🚨 <b>Нет ни одного живого воркера.</b> Ждут: { $open }. Подробнее: /admin
alert-workers-back = ✅ Воркеры снова работают.

# Ошибки: по одной на каждый код из ml_service/domain/errors.py
error-invalid_input = ⚠️ Модель этого не принимает: { $message }
error-unauthenticated = ⚠️ Такого аккаунта больше нет.
error-wrong_credentials = ⚠️ Имя или пароль неверны.
error-permission_denied = ⚠️ Вам это нельзя.
error-insufficient_credits = 💸 Не хватает кредитов. Цена: { $cost }, баланс: { $balance }.
error-not_found = ⚠️ Такого предсказания нет.
error-model_not_found = ⚠️ Такой модели нет. Какие есть: /models
error-username_taken = ⚠️ Это имя занято.
error-already_finished = Оно уже закончилось.
error-idempotency_key_reused = ⚠️ Это уже спрашивали, с другим текстом.
error-too_many_queued = ⏳ У вас много незаконченных предсказаний. Подождите ответов или пришлите их пакетом: /batch
error-too_many_requests = ⏳ Слишком часто. Попробуйте через { $seconds }.
error-overloaded = ⏳ У сервиса сейчас слишком много работы. Ничего не списано; попробуйте чуть позже.
error-unavailable = ⏳ Часть сервиса ненадолго пропала. Ничего не списано; попробуйте чуть позже.
error-database_unavailable = ⏳ База данных ненадолго пропала. Ничего не списано; попробуйте чуть позже.
error-queue_unavailable = ⏳ Очередь ненадолго пропала; попробуйте чуть позже.



# Профиль и меню бота
profile-about = Спрашивает модели машинного обучения и платит им кредитами.
profile-description = Пришлите текст, и модель ответит: что это, насколько она уверена и сколько это заняло. Всё остальное: /help
command-start = Начать или начать снова
command-predict = Спросить выбранную модель
command-batch = Много текстов сразу
command-history = Ваши вопросы и ответы
command-balance = Кредиты и операции
command-models = Выбрать модель
command-link = Объединить с аккаунтом API
command-language = Русский / English
command-cancel = Бросить незаконченный вопрос
command-stop = Не присылать сообщений
command-help = Что я умею

# Почему предсказание не удалось: коды воркера; если кода здесь нет, показываются слова самой модели.
failure-model_timeout = модель думала слишком долго.
failure-model_out_of_memory = модели не хватило памяти.
failure-model_crashed = модель на этом сломалась.
failure-attempts_exhausted = после нескольких попыток пришлось сдаться.
