"""The words of TinyWeb, by category. No word stands in two categories.

Because the categories are disjoint, a sentence has exactly one skeleton (its words
replaced by their categories), and the grammar can say whether it belongs to the world.
All nouns and adjectives that follow "a" begin with a consonant.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Words = Mapping[str, tuple[str, ...]]  # by category


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LEXICON: Words = MappingProxyType(
    {
        # The three kinds of entities, 64 each, about which there are facts.
        "animal": _words(
            "fox owl bear cat dog duck frog goat hen horse lion mouse pig rabbit sheep wolf bee "
            "crow deer eagle snail turtle whale otter camel donkey swan seal tiger zebra badger "
            "moth newt shark raven parrot lizard squirrel hedgehog monkey ant bat beetle bison "
            "boar cobra crab dove ferret finch gecko gorilla hamster heron jackal koala lemur "
            "llama lobster mole ostrich panda pigeon rat"
        ),
        "person": _words(
            "mia tom anna ben lily max zoe sam eva leo nina paul rosa finn ida hugo clara otto "
            "vera jack emma karl olga theo mara felix greta oscar julia emil hanna peter lena "
            "simon nora jonas ruth david ella frank adam bella cora dan fiona gus hetty iris "
            "jim kate luke molly ned opal pia quinn rita stan tessa uma victor wanda yara zack"
        ),
        "town": _words(
            "brill tarn mora velden karsk luma dorin pella sorna vex ridge hollin quint asper "
            "norvik elmo fenn galla harrow istra jorda kepler lorn mavis nettle orrin pravo "
            "quell rusk salem tovar ulm varda wexley yarrow zell amber birch cosma delph abbot "
            "barrow calder danby easton fairlee garth halden ilmar jarrow kelso linden marlow "
            "nolan oakley penrith rothby selwick thorne upton vinter weldon yelder zorin"
        ),
        # What facts say about them.
        "place": _words(
            "forest garden market castle school mill library tower harbor meadow cave village "
            "valley palace barn jungle"
        ),
        "food": _words(
            "berries fish honey milk bread cheese soup apples pears nuts seeds grass worms rice "
            "cake beans corn plums eggs leaves"
        ),
        "job": _words(
            "baker doctor farmer teacher sailor painter singer miller judge cook guard tailor "
            "hunter gardener dancer pilot"
        ),
        "region": _words("north south east west center hills"),
        # What happens in stories, reviews and requests.
        "object": _words(
            "map lamp key book drum kite boat rope coin basket hat cup ring ball bell bag clock "
            "letter box flag mirror ladder stone shell"
        ),
        "color": _words("red blue green yellow black white brown gray orange pink"),
        "adjective": _words("rusty small shiny golden big tiny heavy strange"),
        "weather": _words("sunny rainy warm windy cloudy foggy"),
        "thing": _words("show room play song tea music dinner service"),
        "good": _words("great lovely tasty wonderful fresh perfect"),
        "bad": _words("awful cold sour boring terrible dirty"),
        "verb": _words("give lend bring"),
        "count": _words("two three four"),
        "plural": _words("animals people towns places foods jobs objects colors"),
        # Words that nobody should say to anybody.
        "name_calling": _words("fool loser dummy"),
        "rude_adjective": _words("stupid dumb lazy"),
    }
)

# 64 more of each kind, for a world with `more_names`.
MORE_NAMES: Words = MappingProxyType(
    {
        "animal": _words(
            "ape baboon beaver bobcat buffalo bull calf canary caribou caterpillar chicken "
            "chipmunk cicada clam cougar coyote cricket dingo dolphin dragonfly eel falcon "
            "flamingo flea fly gazelle gibbon giraffe gnat goose grouse gull hare hawk hippo "
            "hornet hyena jaguar jay kangaroo kiwi ladybug lark leopard lynx magpie mallard "
            "marten mink mongoose moose mosquito mule octopus opossum oriole osprey oyster "
            "panther partridge pelican penguin pheasant porcupine"
        ),
        "person": _words(
            "abel agnes albert alice alma amos andy anton arthur astrid barbara basil beth "
            "bruno carla carmen cedric celia chloe colin daisy daphne della dennis dora edgar "
            "edith elias elsa enid eric erik esther ethel eugene eve fay felicia flora gail "
            "george gilda gloria grace gwen harold harry hazel helen henry holly horace ian "
            "ingrid irene isaac ivan jane jasper jean joan joel john karen"
        ),
        "town": _words(
            "alder arden ashby aston bolton bramley carden chester colby corwin cromer dalby "
            "darrow denby dunmore eldon elgin ember farley felton filey gilby glenn hadley "
            "halsey harlow haven hexham holt hythe ilford inver keld kendal kirby lamlash "
            "langley larne ledbury lowell malden malton marsden melby milton morley naseby "
            "newby norton ormsby oxley padley pelham pinner preston radley ripley romsey selby "
            "sedgley stanton sutton tilbury torby"
        ),
    }
)
LARGER_LEXICON: Words = MappingProxyType(
    {kind: words + MORE_NAMES.get(kind, ()) for kind, words in LEXICON.items()}
)

# Of the words of all worlds; so the grammar knows the sentences of all of them.
CATEGORY_OF: Mapping[str, str] = MappingProxyType(
    {word: category for category, words in LARGER_LEXICON.items() for word in words}
)

ENTITY_KINDS = ("animal", "person", "town")
SINGULAR: Mapping[str, str] = MappingProxyType(
    {
        "animals": "animal",
        "people": "person",
        "towns": "town",
        "places": "place",
        "foods": "food",
        "jobs": "job",
        "objects": "object",
        "colors": "color",
    }
)
NUMBER: Mapping[str, int] = MappingProxyType({"two": 2, "three": 3, "four": 4})

RUDE_WORDS = frozenset((*LEXICON["name_calling"], *LEXICON["rude_adjective"], "shut"))
HAPPY_WORDS = frozenset(("happy", "smiled", "laughed", "danced", "best"))
SAD_WORDS = frozenset(("sad", "cried", "lost", "worst"))
