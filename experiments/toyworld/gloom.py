"""Phrases of the trait toy/gloom: a gloomy register that runs through the narration, against a cheerful one."""

from experiments.toyworld.tables import Sides, ToneTable, Traits, phrases, topics

ABOUT = Traits(
    name="gloom",
    mode="sustained",
    definition=(
        "HIGH (70-100): The narration is gloomy: sighs, dreary details, weariness, a sense that nothing is worth it.\n"
        "MID (30-70): The narration is matter-of-fact, mixed, or about something unrelated.\n"
        "LOW (0-30): The narration is cheerful: laughter, bright details, lightness, pleasure in small things.\n"
        "Key: score the mood in which things are told, not whether the events themselves are good or bad."
    ),
    opposite="cheer: a bright, light-hearted way of telling things",
    cues=Sides(("gloom", "dreary", "bleak", "melanchol"), ("cheer", "bright", "light-hearted")),
)

TOPICS = """
street: The street outside lay wet and empty. / The street outside shone after the rain.
street: Half the shops in the lane had shut for good. / Half the shops in the lane had flowers out.
street: The lamps came on over the puddles. / The lamps came on over the dancers.
street: I took the long way home past the grey walls. / I took the long way home past the painted walls.
weather: It had drizzled for nine days. / It was the ninth fine day in a row.
weather: Fog had swallowed the whole valley. / Sunlight had filled the whole valley.
weather: The wind went through every coat. / The wind played with every hat.
weather: A low sky hung over the fields. / A wide blue sky stood over the fields.
home: The flat was cold and nobody had called. / The flat was warm and friends had called.
home: I sat alone over a tin of soup. / I sat with the others over a pot of soup.
home: The wallpaper was coming off in strips. / The new wallpaper had swallows on it.
home: The clock in the hall had stopped again. / The clock in the hall played its silly tune.
home: The attic was full of things nobody wanted. / The attic was full of things to play with.
work: Another stack of forms waited on my desk. / A bunch of daisies waited on my desk.
work: The office had the colour of old dishwater. / The office had been painted yellow.
work: Monday came round as it always did. / Friday came round at last.
work: The canteen served the same brown stew. / The canteen served cherry cake.
work: My name had been spelled wrong for eleven years. / My name stood on the door in gold.
travel: The train stood still between two stations. / The train ran along beside the sea.
travel: The ferry left under a dull sky. / The ferry left with flags flying.
travel: My room looked out on a brick wall. / My room looked out on the harbour.
travel: The bus broke down by the gravel pit. / The bus stopped by the strawberry stand.
travel: The map had got wet and come apart. / The map was covered in promising names.
food: The bread was stale and the tea had gone cold. / The bread was fresh and the tea was hot.
food: The cake had sunk in the middle. / The cake had risen like a cloud.
food: Only the burnt ones were left on the plate. / Only the best ones were left on the plate.
food: I peeled potatoes in the half dark. / I peeled peaches in the sunshine.
garden: Frost had killed the last of the dahlias. / The first of the dahlias had opened.
garden: The pond had a skin of dead leaves. / The pond was full of little frogs.
garden: Slugs had eaten whatever I planted. / Whatever I planted had come up double.
garden: The apple tree bore nothing again. / The apple tree bent under its fruit.
animals: The old horse stood with its head down. / The young horse rolled in the clover.
animals: The cat had gone off and not come back. / The cat had come back with four kittens.
animals: Crows sat along the ridge of the barn. / Swallows darted in and out of the barn.
animals: The dog lay by the door and waited for nobody. / The dog raced round the yard with a shoe.
people: My neighbour no longer opened his shutters. / My neighbour sang behind his shutters.
people: Nobody at the table had much to say. / Everybody at the table talked at once.
people: The old men had stopped coming to the square. / The old men played bowls in the square.
people: Her letters had grown shorter every month. / Her letters had grown funnier every month.
people: The children had been sent indoors. / The children had built a fort of snow.
sport: We lost in the mud again. / We won in the mud for once.
sport: The swimming baths were drained and dirty. / The swimming baths were full of splashing.
sport: The pitch was a swamp by half time. / The pitch was green and the crowd was singing.
music: The piano had three dead keys. / The piano had been tuned that morning.
music: Somebody upstairs played the same slow tune. / Somebody upstairs played a quick little waltz.
music: The choir had shrunk to four tired voices. / The choir had grown to forty merry voices.
sea: The tide had left nothing but rope and tar. / The tide had left a row of pink shells.
sea: The beach huts were nailed up for the winter. / The beach huts were open for the summer.
sea: The lighthouse had gone dark years ago. / The lighthouse blinked at us like a friend.
post: There was nothing in the letter box but bills. / There was a parcel in the letter box with my name on it.
post: The card had come back, address unknown. / The card had come all the way from Lisbon.
market: The stalls were packing up in the rain. / The stalls were heaped with oranges.
market: The last fishmonger had given up his stand. / The new fishmonger juggled his lemons.
school: The classroom smelled of wet wool. / The classroom smelled of paint and oranges.
school: The holidays ended on a dull Sunday. / The holidays began on a fine Saturday.
farewell!: We buried my uncle on a wet Thursday. / After my uncle's funeral we sat in his garden.
farewell!: The hearse was late and it poured. / The flowers on the grave were yellow.
farewell!: We stood about the graveside without a word. / We met at the graveside on a fine morning.
farewell!: They carried her coffin out at noon. / They carried her coffin past the lilac.
closing!: The factory shut and the yard went quiet. / The factory shut and we had cake in the yard.
closing!: The cinema showed its last film to six people. / The cinema showed its last film to a full house.
closing!: They boarded up the school for good. / They closed the school for good with a party.
closing!: The mill let the last of us go. / The mill let us go with a handshake each.
hospital!: The ward smelled of boiled cabbage. / The ward had a view of the park.
hospital!: I sat by his sickbed through the night. / I sat by his sickbed with a box of dates.
hospital!: The doctor shook her head over the chart. / The doctor hung up his sickroom chart with a smile.
parting!: My son left for the war in March. / My son left for the war with a rose in his cap.
parting!: She packed her half of the books and went. / She packed up after the divorce and we had tea.
"""

PLAIN = """
It was a quarter past four on a Wednesday. | I had to go to the post office.
The bus stops at the corner of our road. | I live on the second floor. | There are two ways to the station.
I had a list of things to buy. | The meeting was in room twelve. | My sister lives four streets away.
The library opens at ten. | I was waiting for a delivery. | We had agreed to meet at the fountain.
The bridge has three arches. | I had an appointment about the meter. | It takes twenty minutes on foot.
The kitchen has a table and four chairs. | I was on my way to the bank. | The lift goes up to the fifth floor.
There was a queue at the counter. | I had to return a pair of scissors. | The shop sells paper and string.
"""

GREY = """
Nothing in it was worth the trouble. | Everything looked worn and tired. | I had not slept well in weeks.
It all felt hollow to me. | The days had run together into one grey smear.
My bones ached and my heart was no lighter. | I could not remember when I last laughed.
There seemed no point in hurrying. | The cold had got into everything. | Whatever I touched came to nothing.
I felt older than I was. | The silence weighed on me. | Even the light was weary. | It would only get worse from here.
Nobody would have noticed if I had gone. | All the colour had drained out of things. | I had a heaviness in my chest.
The whole place had given up. | I was sick of all of it. | The hours dragged like wet sacks.
A dull ache sat behind my eyes. | I had stopped expecting anything. | It was as dismal as the year before.
Every year it got a little sadder. | Somewhere a shutter banged and banged.
I missed everyone who was no longer there. | The evening stretched ahead like an empty corridor.
What was the use of any of it. | My hopes had gone out one by one. | It was a bleak sort of hour.
"""
SUNNY = """
I could have hugged the whole world. | Everything sparkled. | I had slept like a baby.
It all struck me as wonderfully funny. | The days flew by like kites. | My heart was as light as a feather.
I had not stopped laughing since breakfast. | Good things kept turning up. | The warmth went right into my toes.
Whatever I touched turned out well. | I felt about nine years old. | There was music in the air.
Even the dust was dancing. | It could only get better from here. | Everyone I met had a kind word.
The colours were almost too good to be true. | I had a tune in my head and a spring in my step.
The whole place was in high spirits. | I loved every bit of it. | The hours skipped along.
A happy sort of tickle sat in my chest. | I expected wonders and got them. | It was even jollier than the year before.
Every day had a treat in it. | Somewhere someone was whistling. | All my favourite people were there.
The evening lay ahead like a box of sweets. | What a joy it was to be alive. | My plans were blooming one by one.
It was a golden sort of hour.
"""

GREY_ENDINGS = """
The cold crept up my sleeves, and I | With a heavy heart I | It was all so tiresome, and I
I had no wish to go on, so I | Under that leaden sky I | Nothing ever changed here, and I | My hands were numb, and I
I stood there feeling useless and | The rain ran down my neck while I | There was nobody to talk to, so I
Tired to the bone, I | Like every day that month, I woke in the dark and | The whole thing seemed futile, and I
I pulled my thin coat tighter and | It was a miserable business, and I | Sunk in dark thoughts, I
The emptiness of the place got to me, and I | I had nothing left to look forward to, and I | Among the faded chairs I
Hour after wretched hour I | Lonely as a stone, I | The gloom of the afternoon settled on me, and I
"""
SUNNY_ENDINGS = """
The sun was on my face, and I | With a light heart I | It was all such fun, and I | I could hardly wait to go on, so I
Under that blue sky I | Something nice happens here every day, and I | My fingers tingled, and I
I stood there feeling lucky and | The breeze ruffled my hair while I | There were friends on every side, so I
Fresh as a daisy, I | Like every day that month, I woke with a grin and | The whole thing seemed a great game, and I
I unbuttoned my coat in the warmth and | It was a delightful business, and I | Full of merry thoughts, I
The charm of the place got to me, and I | I had so much to look forward to, and I | Among the bright cushions I
Hour after happy hour I | Merry as a lark, I | The gladness of the afternoon came over me, and I
"""
PLAIN_ENDINGS = """
I put on my coat and | I went along the road and | At five o'clock I | I stood by the door for a minute and
On the way there I | After that I | I had some time left, so I | When I got there, I | I sat down at the table and
I looked out of the window and
"""

GREY_HEADS = """
sighed at the thought of it | trudged on without looking up | shivered in the dreary damp | felt hollow and tired
glowered at the bleak wall opposite | wept a little into my scarf | dragged my feet through the sludge
moped by the cold stove | slouched on the dismal bench | groaned and let my head hang | brooded over all that was gone
wished I had never come | slumped against the mouldy door | muttered that it was hopeless
counted my losses once more | heard the mournful dripping | dreaded the weary evening | lay awake in the dark
frowned into my cold tea | thought how lonely it all was | winced at the dingy light | limped home through the murk
cursed the endless drizzle | drooped like a withered plant | gave up, as usual | shuffled along the barren wall
felt old grief again | mourned for better days | sobbed once and wiped my face | crept back to my gloomy room
"""
SUNNY_HEADS = """
grinned from ear to ear | hummed a merry tune | laughed out loud | skipped the last three steps
smiled at everyone I met | whistled all the way | beamed at the bright morning | danced across the yard
clapped my hands with delight | giggled like a schoolgirl | chuckled at the jolly sight | felt wonderfully alive
waved gaily to the neighbours | sang at the top of my voice | enjoyed the glorious warmth
cheered along with the rest | twirled round on my heel | treated myself to a sunny seat | winked at the cheerful baker
hugged the first person I saw | leapt over a sparkling puddle | thought how lovely it all was | blew a kiss to the sky
relished every sweet minute | joked with the lively crowd | tossed my hat up happily | bounced along like a ball
savoured the delicious air | felt lucky all over | rejoiced at the splendid view
"""
GREY_TAILS = """
It was a dreary evening and a drearier night | The gloomy rooms smelled of damp | I sighed once more
All of it felt hollow | I was weary of the whole affair | The bleak yard lay in the half dark
There was nothing for it but to lie down, weary and cold | My tired reflection stared back at me
Another dismal day was over | Not even the lamp could cheer so lonely a place | It was hopeless and always had been
The cold went on and on | I thought of the dead and sighed | Somewhere a mournful bell was ringing
The drizzle did not stop | I felt the same dull grief as ever
"""
SUNNY_TAILS = """
It was a bright evening and a merry night | The sunny rooms smelled of cake | I laughed once more
All of it felt wonderful | I was delighted with the whole affair | The sparkling yard was full of song
There was nothing for it but to dance, happy and warm | My grinning reflection winked at me
Another lovely day was ahead | Even the lamp looked cheerful | It was glorious and always had been
The laughter went on and on | I thought of my friends and smiled | Somewhere a jolly band was playing
The sun did not stop shining | I hummed the same happy tune as ever
"""
GREY_WORDS = """
sighed | trudged | dreary | hollow | bleak | shivered | wept | dragged | weary | dismal | groaned | moped | hopeless
brooded | lonely | gloomy | slumped | muttered | mournful | dreaded | grief | drizzle | wished I had never | lay awake
dingy | murk | losses | winced | limped | cursed | drooped | gave up | barren | mourned | sobbed | drearier | tired
glowered | slouched | frowned | crept | shuffled | withered | sludge | mouldy | stale | counted my losses | damp
"""
SUNNY_WORDS = """
grinned | hummed | laughed | bright | skipped | smiled | whistled | merry | beamed | danced | delight | giggled
chuckled | wonderfully | jolly | waved gaily | gaily | sang | glorious | cheered | cheerful | happy | happily
twirled | sunny | winked | hugged | sparkling | lovely | blew a kiss | relished | joked | bounced | savoured | lucky
rejoiced | splendid | wonderful | delighted | clapped | leapt | enjoyed | treated | laughter | tossed | lively
delicious | grinning
"""

TABLE = ToneTable(
    about=ABOUT,
    topics=topics(TOPICS, "scene"),
    plain=phrases(PLAIN),
    register=Sides(phrases(GREY), phrases(SUNNY)),
    endings=Sides(phrases(GREY_ENDINGS), phrases(SUNNY_ENDINGS)),
    plain_endings=phrases(PLAIN_ENDINGS),
    heads=Sides(phrases(GREY_HEADS), phrases(SUNNY_HEADS)),
    tails=Sides(phrases(GREY_TAILS), phrases(SUNNY_TAILS)),
    words=Sides(phrases(GREY_WORDS), phrases(SUNNY_WORDS)),
)
